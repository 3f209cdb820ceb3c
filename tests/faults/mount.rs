//! File systems of a test's own, to be filled up and to be made read-only. They take root to mount, and a
//! test without it fails: a disk that was never full has shown nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system. It goes with the value.
pub struct Mount {
    folder: TempDir,
    path: PathBuf,
}

impl Mount {
    /// One in memory, of this size.
    pub fn tmpfs(size: &str) -> Self {
        let mount = Self::unmounted();
        mount.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "logoutd-faults"]);
        mount
    }

    /// An ext4 in a file, whose files can be made immutable.
    pub fn ext4() -> Self {
        let mount = Self::unmounted();
        let image = mount.folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(64 * 1024 * 1024).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        mount.mount(&["-o", "loop", image.to_str().unwrap()]);
        mount
    }

    fn unmounted() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mount");
        std::fs::create_dir(&path).unwrap();
        Self { folder, path }
    }

    fn mount(&self, arguments: &[&str]) {
        run(Command::new("mount").args(arguments).arg(&self.path));
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes its options, such as `size=64m` or `ro`.
    pub fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.path));
    }

    /// Takes all the room there is left.
    pub fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path.join("ballast")).unwrap();
        let block = [0; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    /// Makes this file, in use as it may be, refuse every write, or take them again.
    pub fn set_immutable(&self, name: &str, immutable: bool) {
        let flag = if immutable { "+i" } else { "-i" };
        run(Command::new("chattr").arg(flag).arg(self.path.join(name)));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = |options: &[&str]| {
            let output = Command::new("umount").args(options).arg(&self.path).output();
            output.is_ok_and(|it| it.status.success())
        };
        // A process that still has a file open keeps it busy: then it goes when that ends.
        let _ = unmount(&[]) || unmount(&["--lazy"]);
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{name} could not be run: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed; this test needs root, to mount: {said}");
}
