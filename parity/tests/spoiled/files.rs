//! The files of a golden, spoiled on disk.

use super::folders::{Side, assert_all, damaged};

#[test]
fn files_that_are_not_what_was_sealed_are_damaged() {
    assert_all(&[
        damaged(
            "a flipped bit",
            "tensors.safetensors: damaged: its content",
            |s| {
                s.flip("tensors.safetensors", |b| {
                    let middle = b.len() / 2;
                    b[middle] ^= 1;
                });
            },
        ),
        damaged("a cut sound", "audio.wav: damaged: its content", |s| {
            s.flip("audio.wav", |b| b.truncate(b.len() / 2));
        }),
        damaged("a smaller noise", "noise.json: damaged: its content", |s| {
            s.flip("noise.json", |b| b.push(b' '));
        }),
        damaged(
            "a missing file",
            "text.json: damaged: the file is missing",
            |s| {
                std::fs::remove_file(s.dir(Side::Golden).join("english-short/text.json")).unwrap();
            },
        ),
        damaged("an unlisted file", "lists no audio.wav", |s| {
            s.manifest(|m| {
                let files = m["cases"]["english-short"]["files"]
                    .as_object_mut()
                    .unwrap();
                files.remove("audio.wav");
            });
        }),
        damaged(
            "a manifest that was edited",
            "its seal does not match",
            |s| {
                let path = s.dir(Side::Golden).join("manifest.json");
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(path, text.replacen("\"cpu\"", "\"tpu\"", 1)).unwrap();
            },
        ),
        damaged("half a manifest", "manifest.json: damaged", |s| {
            let path = s.dir(Side::Golden).join("manifest.json");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, &text[..text.len() / 2]).unwrap();
        }),
        damaged("another format", "recording format 2", |s| {
            s.manifest(|m| m["format"] = 2.into())
        }),
        damaged("no format", "lacks the number \"format\"", |s| {
            s.manifest(|m| drop(m.as_object_mut().unwrap().remove("format")));
        }),
        damaged("a field that nobody knows", "unknown field", |s| {
            s.manifest(|m| m["x"] = 1.into())
        }),
        damaged("a case outside the folder", "not a valid case name", |s| {
            s.manifest(|m| {
                let case = m["cases"]["english-short"].clone();
                m["cases"]["../english-short"] = case;
            });
        }),
        damaged("the files of another case", "it describes case", |s| {
            let other = s.dir(Side::Golden).join("chinese-short/case.json");
            s.forge("case.json", |b| *b = std::fs::read(other).unwrap());
        }),
        damaged(
            "tensors that are none",
            "tensors.safetensors: damaged",
            |s| {
                s.forge("tensors.safetensors", |b| b.truncate(20));
            },
        ),
        damaged("a tensor of no stage", "unknown stage", |s| {
            s.forge("tensors.safetensors", |b| {
                let at = b.windows(8).position(|w| w == b"flow.mel").unwrap();
                b[at..at + 8].copy_from_slice(b"flaw.mel");
            });
        }),
        damaged("a sound of another rate", "audio.wav: damaged", |s| {
            s.forge("audio.wav", |b| {
                b[24..28].copy_from_slice(&8000_u32.to_le_bytes())
            });
        }),
        damaged("a case that no engine can run", "case.json: damaged", |s| {
            s.forge("case.json", |b| {
                let text = String::from_utf8(b.clone()).unwrap();
                *b = text
                    .replacen("\"speed\": 1.0", "\"speed\": -1.0", 1)
                    .into_bytes();
            });
        }),
    ]);
}
