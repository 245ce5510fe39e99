//! This process as the kernel counts it (proc(5)).

use std::fs;

/// What the kernel says of this process; a part that it does not say is left out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Process {
    pub(super) resident_bytes: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
    pub(super) open_files: Option<u64>,
    pub(super) max_files: Option<u64>,
    pub(super) threads: Option<u64>,
    /// Seconds since 1970.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    /// Reads `/proc`, which is memory and does not hang.
    pub(super) fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name may hold spaces and parentheses; what follows it starts with field 3.
        let fields: Vec<&str> = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split_ascii_whitespace().collect())
            .unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
        let seconds = |ticks: u64| as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second());
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
        let files = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        Self {
            resident_bytes: resident_bytes(),
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| seconds(user + system)),
            // The folder itself is open while it is read.
            open_files: files.and_then(|count| u64::try_from(count.saturating_sub(1)).ok()),
            max_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            threads: field(20),
            start_seconds: field(22).zip(boot).map(|(start, boot)| seconds(start) + as_f64(boot)),
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}

/// Exact up to 2^53, which nothing counted here reaches.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_everything() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{process:?}");
        assert!(process.cpu_seconds.is_some_and(|seconds| seconds < 1e6), "{process:?}");
        assert!(process.open_files.is_some_and(|files| files >= 3), "{process:?}");
        assert!(process.max_files > process.open_files && process.threads >= Some(1), "{process:?}");
        let now = as_f64(u64::try_from(crate::clock::now().as_second()).unwrap());
        let age = now - process.start_seconds.unwrap();
        assert!((-2.0..86_400.0).contains(&age), "{process:?}");
    }
}
