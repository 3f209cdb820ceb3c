//! The configuration, and the files that it names.

mod keys_folder;
mod named_files;
mod settings;
mod uris;
