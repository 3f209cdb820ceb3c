//! Whether other users can read or change a private file, checked as OpenSSH's `StrictModes` does.
//!
//! Root and the user of this process are trusted. What others own or can write to is refused where that can be changed from
//! here, and only warned of where it cannot: modes and owners of a mounted secret come from its mount (Kubernetes:
//! `defaultMode`, `fsGroup`).

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

/// In what way other users can read or change a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// It belongs to another user.
    #[error(
        "it belongs to user {owner}, who can change it, and logoutd runs as user {user}; run `chown {user}` on it, or logoutd as user {owner}"
    )]
    Owner {
        /// Its owner.
        owner: u32,
        /// The user of this process.
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
    /// It is a symbolic link, and others can change a folder on the way to its target.
    #[error("it is a link that leads to {}, and {} is not safe: {exposure}", target.display(), folder.display())]
    Link {
        /// The target.
        target: PathBuf,
        /// The folder on the way.
        folder: PathBuf,
        /// What is wrong with the folder.
        exposure: Box<Exposure>,
    },
}

/// Whether a file or folder may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionVerdict {
    /// No other user can read or change it.
    Safe,
    /// Others can, and that cannot be changed from here: it is used, with a warning.
    Warned(Exposure),
    /// Others can, and the operator can change that.
    Refused(Exposure),
}

/// Checks owners and modes of a folder of private files, and of what is in it.
#[derive(Clone, Copy, Debug)]
pub struct PermissionCheck {
    /// The user of this process.
    user: u32,
    /// Whether owners and modes in the folder can be changed from here.
    writable: bool,
}

impl PermissionCheck {
    /// For the folder at `path`.
    pub fn of(path: &Path) -> Self {
        Self { user: geteuid().as_raw(), writable: access(path, Access::WRITE_OK).is_ok() }
    }

    /// For a folder that is known to be read-only.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { writable: false, ..self }
    }

    /// The folder itself: a user who can write to it can replace its files.
    pub fn folder(self, path: &Path, metadata: &Metadata) -> PermissionVerdict {
        self.owner_and_mode(path, metadata, OTHERS_WRITE, "700")
    }

    /// A private file in it, which no other user may even read.
    pub fn private_file(self, path: &Path, metadata: &Metadata) -> PermissionVerdict {
        self.owner_and_mode(path, metadata, OTHERS_USE, "600")
    }

    /// A file in it that holds no secret.
    pub fn public_file(self, path: &Path, metadata: &Metadata) -> PermissionVerdict {
        self.owner_and_mode(path, metadata, OTHERS_WRITE, "644")
    }

    fn owner_and_mode(
        self,
        path: &Path,
        metadata: &Metadata,
        forbidden: u32,
        fix: &'static str,
    ) -> PermissionVerdict {
        if let Some(exposure) = self.foreign(metadata) {
            return self.verdict(exposure, true);
        }
        match exposed_mode(path, metadata, forbidden) {
            Some(ExposedMode { mode, can_be_changed }) => {
                self.verdict(Exposure::Mode { mode, fix }, can_be_changed)
            }
            None => PermissionVerdict::Safe,
        }
    }

    /// Where a symbolic link in the folder leads: the folders on the way to its target must be safe too, up to the
    /// folder it is in, or the root. `metadata` is that of the target, as it was opened.
    pub fn link(self, folder: &Path, link: &Path, metadata: &Metadata) -> io::Result<PermissionVerdict> {
        if !fs::symlink_metadata(link)?.is_symlink() {
            return Ok(PermissionVerdict::Safe);
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
        Ok(PermissionVerdict::Safe)
    }

    /// In a sticky folder users can replace only their own files.
    fn exposed_ancestor(self, metadata: &Metadata) -> Option<Exposure> {
        let mode = metadata.mode() & 0o7777;
        let open = mode & OTHERS_WRITE != 0 && mode & STICKY == 0;
        self.foreign(metadata).or_else(|| open.then_some(Exposure::Mode { mode, fix: "go-w" }))
    }

    fn foreign(self, metadata: &Metadata) -> Option<Exposure> {
        let owner = metadata.uid();
        (owner != ROOT && owner != self.user).then_some(Exposure::Owner { owner, user: self.user })
    }

    fn verdict(self, exposure: Exposure, can_be_changed: bool) -> PermissionVerdict {
        if self.writable && can_be_changed {
            PermissionVerdict::Refused(exposure)
        } else {
            PermissionVerdict::Warned(exposure)
        }
    }
}

/// A mode that lets other users do what they should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposedMode {
    /// The permission bits.
    pub mode: u32,
    /// Whether this process could change them.
    pub can_be_changed: bool,
}

/// Checks the mode alone of a private file, which may belong to another user.
pub fn exposed_private_mode(path: &Path, metadata: &Metadata) -> Option<ExposedMode> {
    exposed_mode(path, metadata, OTHERS_USE)
}

fn exposed_mode(path: &Path, metadata: &Metadata, forbidden: u32) -> Option<ExposedMode> {
    let mode = metadata.mode() & 0o7777;
    (mode & forbidden != 0).then(|| ExposedMode { mode, can_be_changed: may_chmod(path, metadata) })
}

/// Whether this process can change the mode of what is at `path`: as its owner or root, unless it is mounted read-only.
/// Nothing is changed to find out.
fn may_chmod(path: &Path, metadata: &Metadata) -> bool {
    let user = geteuid().as_raw();
    let read_only = statvfs(path).is_ok_and(|it| it.f_flag.contains(StatVfsMountFlags::RDONLY));
    (user == ROOT || user == metadata.uid()) && !read_only
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// For a process of a user who is neither root nor the one that runs the tests.
    fn of_another_user(writable: bool) -> PermissionCheck {
        PermissionCheck { user: geteuid().as_raw() + 4711, writable }
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
        let check = PermissionCheck::of(folder.path());
        for (mode, safe) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            let metadata = with_mode(&file, mode);
            let exposure = Exposure::Mode { mode, fix: "600" };
            let expected =
                if safe { PermissionVerdict::Safe } else { PermissionVerdict::Refused(exposure.clone()) };
            assert_eq!(check.private_file(&file, &metadata), expected, "{mode:o}");
            let expected = if safe { PermissionVerdict::Safe } else { PermissionVerdict::Warned(exposure) };
            assert_eq!(check.read_only().private_file(&file, &metadata), expected, "{mode:o}");
        }
        for (mode, safe) in [(0o644, true), (0o664, false), (0o646, false)] {
            let safe_now = check.public_file(&file, &with_mode(&file, mode)) == PermissionVerdict::Safe;
            assert_eq!(safe_now, safe, "{mode:o}");
        }
        for (mode, safe) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
            let metadata = with_mode(folder.path(), mode);
            assert_eq!(check.folder(folder.path(), &metadata) == PermissionVerdict::Safe, safe, "{mode:o}");
        }
    }

    #[test]
    fn what_is_anothers_is_refused_unless_it_is_roots() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = with_mode(folder.path(), 0o700);
        let owner = metadata.uid();
        for writable in [true, false] {
            let check = of_another_user(writable);
            let exposure = Exposure::Owner { owner, user: check.user };
            let expected = match (owner, writable) {
                (ROOT, _) => PermissionVerdict::Safe,
                (_, true) => PermissionVerdict::Refused(exposure),
                (_, false) => PermissionVerdict::Warned(exposure),
            };
            assert_eq!(check.folder(folder.path(), &metadata), expected);
            assert_eq!(check.private_file(folder.path(), &metadata), expected);
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
        let check = PermissionCheck::of(&keys);
        let judged = || {
            let link = keys.join("a.pem");
            check.link(&keys, &link, &fs::metadata(&link).unwrap()).unwrap()
        };
        assert_eq!(judged(), PermissionVerdict::Safe);
        with_mode(&outside, 0o777);
        assert!(
            matches!(judged(), PermissionVerdict::Refused(Exposure::Link { folder, .. }) if folder == outside)
        );
        with_mode(&outside, 0o1777);
        assert_eq!(judged(), PermissionVerdict::Safe);
        let other = fs::metadata(&outside).unwrap();
        assert!(check.link(&keys, &keys.join("a.pem"), &other).is_err());
    }
}
