//! When changed files are due to be loaded.

use super::fingerprint::Fingerprint;

/// Tells when changed files are due to be loaded: once for each state they are in.
#[derive(Debug, Default)]
pub struct Changes {
    /// What the files looked like at the last look, where a change has to settle.
    last: Option<Fingerprint>,
    settling: bool,
    /// What they looked like when they could not be loaded.
    failed: Option<Fingerprint>,
}

impl Changes {
    /// Changes are due at once: each file is complete in itself.
    pub fn immediate() -> Self {
        Self::default()
    }

    /// Changes are due once nothing has changed between two looks: for files that belong together and are replaced one
    /// after the other, such as a certificate and its key.
    pub fn settled() -> Self {
        Self { settling: true, ..Self::default() }
    }

    /// Whether to load files that look like `now`, and looked like `loaded` when they were last loaded.
    pub fn are_due(&mut self, now: &Fingerprint, loaded: &Fingerprint) -> bool {
        if self.settling && self.last.replace(now.clone()).as_ref() != Some(now) {
            return false;
        }
        if now == loaded {
            self.failed = None;
            return false;
        }
        self.failed.as_ref() != Some(now)
    }

    /// Files that look like `now` were loaded, or could not be: then they are not due again until they change.
    pub fn loaded(&mut self, now: Fingerprint, succeeded: bool) {
        self.failed = (!succeeded).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn write(path: &Path, content: &str) -> Fingerprint {
        fs::write(path, content).unwrap();
        Fingerprint::of_files([path])
    }

    #[test]
    fn a_state_of_the_files_is_due_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let (a, ab, abc) = (write(&path, "a"), write(&path, "ab"), write(&path, "abc"));
        let mut changes = Changes::immediate();
        assert!(!changes.are_due(&a, &a));
        assert!(changes.are_due(&ab, &a));
        changes.loaded(ab.clone(), false);
        assert!(!changes.are_due(&ab, &a), "it has failed before");
        assert!(changes.are_due(&abc, &a));
        assert!(!changes.are_due(&a, &a), "it is as it was again");
        assert!(changes.are_due(&ab, &a), "and that failure is forgotten");
    }

    #[test]
    fn a_change_may_have_to_settle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let (a, ab, abc) = (write(&path, "a"), write(&path, "ab"), write(&path, "abc"));
        let mut changes = Changes::settled();
        for (now, due) in [(&a, false), (&ab, false), (&abc, false), (&abc, true)] {
            assert_eq!(changes.are_due(now, &a), due);
        }
    }
}
