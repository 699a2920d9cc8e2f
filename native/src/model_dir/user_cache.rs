use std::ffi::OsString;
use std::path::PathBuf;

/// `below`, such as `cosyvoice-parity/text-rules`, in the folder for caches of the user who runs this;
/// `None` where the system names none.
pub fn in_user_cache(below: &str) -> Option<PathBuf> {
    user_cache(|name| std::env::var_os(name)).map(|cache| cache.join(below))
}

fn user_cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_users_cache_is_where_the_system_says() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<_> = set.to_vec();
            user_cache(|name| {
                let found = set.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("HOME", "/a")]), Some("/a/.cache".into()));
        let both = with(&[("HOME", "/a"), ("XDG_CACHE_HOME", "/b")]);
        assert_eq!(both, Some("/b".into()));
        let empty = with(&[("HOME", "/a"), ("XDG_CACHE_HOME", "")]);
        assert_eq!(empty, Some("/a/.cache".into()));
    }
}
