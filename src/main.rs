//! The `gather` binary: the command line and the allocator, and nothing else.

use std::process::ExitCode;

/// Replaces glibc's allocator. That one keeps the memory of a thousand requests for as long as the process lives: it
/// raises the size above which it asks the kernel directly, and holes between buffers keep the rest. This allocator
/// gives memory back within ten seconds. `tests/memory.rs` measures it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gather::cli::main()
}
