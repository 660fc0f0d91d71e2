//! The `gather` binary: the command line and the allocator, and nothing else.

use std::process::ExitCode;

/// glibc's keeps what a thousand requests held for as long as the process lives: it raises the size from which on it asks
/// the kernel directly, and holes between the buffers keep the rest. This one gives back within ten seconds.
/// `tests/memory.rs` measures it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gather::cli::main()
}
