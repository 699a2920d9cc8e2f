/// Runs `work` with the widest vectors that the processor supports.
///
/// Functions that `work` calls must be inlined into it; otherwise they use baseline vectors.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
