/// Runs `work` compiled for the widest vectors that the processor has.
///
/// What `work` calls must be inlined into it, or it stays compiled for every processor.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
