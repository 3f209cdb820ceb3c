//! How much CPU a process has used: what others do on the machine changes that less than it changes times.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The unit of the kernel's figures (`USER_HZ`), the same on every architecture that logoutd runs on.
const TICK: Duration = Duration::from_millis(10);

/// All of its threads, in user space and in the kernel, since it started.
pub fn used(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, can hold anything.
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat has a name")?;
    let mut fields = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = fields.next().zip(fields.next()).context("/proc/…/stat has CPU times")?;
    let ticks = user? + system?;
    Ok(TICK * ticks)
}
