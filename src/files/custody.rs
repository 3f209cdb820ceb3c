//! Who but this process can change or read a private file, as OpenSSH's `StrictModes` asks it.
//!
//! Trusted are root and the user that this process runs as. What others own or can write to is refused where it can
//! be put right from here, and only warned of where it cannot: the modes and owners of a mounted secret are those that
//! whatever mounts it gives (Kubernetes: `defaultMode`, `fsGroup`).

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use rustix::process::geteuid;

const OTHERS_WRITE: u32 = 0o022;
const OTHERS_USE: u32 = 0o077;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// In what way others can get at something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// It is somebody else's.
    #[error(
        "it belongs to user {owner}, who can change it, and logoutd runs as user {user}; run `chown {user}` on it, or logoutd as user {owner}"
    )]
    Owner {
        /// Whose it is.
        owner: u32,
        /// Whose this process is.
        user: u32,
    },
    /// Its mode lets others read or change it.
    #[error("its mode is {mode:04o}, so that others can use it; run `chmod {fix}` on it")]
    Mode {
        /// Its permission bits.
        mode: u32,
        /// What they should be, for `chmod`.
        fix: &'static str,
    },
    /// It leads to a folder that others can change.
    #[error("it is a link that leads to {}, and {} is not safe: {exposure}", target.display(), folder.display())]
    Link {
        /// Where it leads.
        target: PathBuf,
        /// The folder on the way.
        folder: PathBuf,
        /// What is wrong with that.
        exposure: Box<Exposure>,
    },
}

/// What is to be done about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody else can get at it.
    Safe,
    /// Others can, and nothing can be done about it from here.
    Warned(Exposure),
    /// Others can, and that has to be put right first.
    Refused(Exposure),
}

/// Judges a folder of private files and what is in it.
#[derive(Clone, Copy, Debug)]
pub struct Custody {
    /// Whose this process is.
    user: u32,
    /// Whether something can be put right in the folder.
    writable: bool,
}

impl Custody {
    /// For the folder at `path`, which is not touched.
    pub fn of(path: &Path) -> Self {
        Self { user: geteuid().as_raw(), writable: access(path, Access::WRITE_OK).is_ok() }
    }

    /// For a folder of which it is known that it cannot be written to from here.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { writable: false, ..self }
    }

    /// The folder itself: whoever can write to it can replace what is in it.
    pub fn folder(self, path: &Path, metadata: &Metadata) -> Verdict {
        if let Some(exposure) = self.foreign(metadata) {
            return self.verdict(exposure, true);
        }
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS_WRITE != 0 {
            return self.verdict(Exposure::Mode { mode, fix: "700" }, may_chmod(path, metadata));
        }
        Verdict::Safe
    }

    /// A private file in it: nobody else may even read that.
    pub fn private_file(self, path: &Path, metadata: &Metadata) -> Verdict {
        self.file(path, metadata, OTHERS_USE, "600")
    }

    /// A file in it that is no secret.
    pub fn public_file(self, path: &Path, metadata: &Metadata) -> Verdict {
        self.file(path, metadata, OTHERS_WRITE, "644")
    }

    fn file(self, path: &Path, metadata: &Metadata, wrong: u32, fix: &'static str) -> Verdict {
        if let Some(exposure) = self.foreign(metadata) {
            return self.verdict(exposure, true);
        }
        let mode = metadata.mode() & 0o7777;
        if mode & wrong != 0 {
            return self.verdict(Exposure::Mode { mode, fix }, may_chmod(path, metadata));
        }
        Verdict::Safe
    }

    /// Where a symbolic link in the folder leads: the folders on the way to its target must be safe too, up to the
    /// folder it is in, or the root. `metadata` is that of the target, as it was opened.
    pub fn link(self, folder: &Path, link: &Path, metadata: &Metadata) -> io::Result<Verdict> {
        if !fs::symlink_metadata(link)?.is_symlink() {
            return Ok(Verdict::Safe);
        }
        let (folder, target) = (fs::canonicalize(folder)?, fs::canonicalize(link)?);
        let found = fs::metadata(&target)?;
        if (found.dev(), found.ino()) != (metadata.dev(), metadata.ino()) {
            return Err(io::Error::other("it was replaced while it was read"));
        }
        for ancestor in target.ancestors().skip(1).take_while(|ancestor| **ancestor != *folder) {
            if let Some(exposure) = self.exposed_ancestor(&fs::metadata(ancestor)?) {
                let (exposure, folder) = (Box::new(exposure), ancestor.to_owned());
                return Ok(self.verdict(Exposure::Link { target: target.clone(), folder, exposure }, true));
            }
        }
        Ok(Verdict::Safe)
    }

    /// In a sticky folder nobody can replace what is another's.
    fn exposed_ancestor(self, metadata: &Metadata) -> Option<Exposure> {
        let mode = metadata.mode() & 0o7777;
        let open = mode & OTHERS_WRITE != 0 && mode & STICKY == 0;
        self.foreign(metadata).or_else(|| open.then_some(Exposure::Mode { mode, fix: "go-w" }))
    }

    fn foreign(self, metadata: &Metadata) -> Option<Exposure> {
        let owner = metadata.uid();
        (owner != ROOT && owner != self.user).then_some(Exposure::Owner { owner, user: self.user })
    }

    fn verdict(self, exposure: Exposure, can_be_put_right: bool) -> Verdict {
        if self.writable && can_be_put_right { Verdict::Refused(exposure) } else { Verdict::Warned(exposure) }
    }
}

/// Whether the mode of what is at `path` can be changed from here: by its owner and by root, unless it is mounted
/// read-only. Nothing is changed to find out.
pub fn may_chmod(path: &Path, metadata: &Metadata) -> bool {
    let user = geteuid().as_raw();
    let read_only = statvfs(path).is_ok_and(|it| it.f_flag.contains(StatVfsMountFlags::RDONLY));
    (user == ROOT || user == metadata.uid()) && !read_only
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// As somebody who is neither root nor whoever runs the tests.
    fn stranger(writable: bool) -> Custody {
        Custody { user: geteuid().as_raw() + 4711, writable }
    }

    fn with_mode(path: &Path, mode: u32) -> Metadata {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        fs::metadata(path).unwrap()
    }

    #[test]
    fn modes_that_let_others_in_are_refused_or_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pem");
        fs::write(&file, "").unwrap();
        let custody = Custody::of(folder.path());
        for (mode, safe) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            let metadata = with_mode(&file, mode);
            let exposure = Exposure::Mode { mode, fix: "600" };
            let expected = if safe { Verdict::Safe } else { Verdict::Refused(exposure.clone()) };
            assert_eq!(custody.private_file(&file, &metadata), expected, "{mode:o}");
            let expected = if safe { Verdict::Safe } else { Verdict::Warned(exposure) };
            assert_eq!(custody.read_only().private_file(&file, &metadata), expected, "{mode:o}");
        }
        for (mode, safe) in [(0o644, true), (0o664, false), (0o646, false)] {
            let safe_now = custody.public_file(&file, &with_mode(&file, mode)) == Verdict::Safe;
            assert_eq!(safe_now, safe, "{mode:o}");
        }
        for (mode, safe) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
            let metadata = with_mode(folder.path(), mode);
            assert_eq!(custody.folder(folder.path(), &metadata) == Verdict::Safe, safe, "{mode:o}");
        }
    }

    #[test]
    fn what_is_anothers_is_refused_unless_it_is_roots() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = with_mode(folder.path(), 0o700);
        let owner = metadata.uid();
        for writable in [true, false] {
            let custody = stranger(writable);
            let exposure = Exposure::Owner { owner, user: custody.user };
            let expected = match (owner, writable) {
                (ROOT, _) => Verdict::Safe,
                (_, true) => Verdict::Refused(exposure),
                (_, false) => Verdict::Warned(exposure),
            };
            assert_eq!(custody.folder(folder.path(), &metadata), expected);
            assert_eq!(custody.private_file(folder.path(), &metadata), expected);
        }
    }

    #[test]
    fn a_link_is_as_safe_as_the_folders_it_leads_through() {
        let base = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = base.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let (keys, outside) = (folder("keys"), folder("outside"));
        fs::write(outside.join("a.pem"), "").unwrap();
        symlink(outside.join("a.pem"), keys.join("a.pem")).unwrap();
        let custody = Custody::of(&keys);
        let judged = || {
            let link = keys.join("a.pem");
            custody.link(&keys, &link, &fs::metadata(&link).unwrap()).unwrap()
        };
        assert_eq!(judged(), Verdict::Safe);
        with_mode(&outside, 0o777);
        assert!(matches!(judged(), Verdict::Refused(Exposure::Link { folder, .. }) if folder == outside));
        with_mode(&outside, 0o1777);
        assert_eq!(judged(), Verdict::Safe);
        let other = fs::metadata(&outside).unwrap();
        assert!(custody.link(&keys, &keys.join("a.pem"), &other).is_err());
    }
}
