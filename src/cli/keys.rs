//! `logoutd keys`: manages the signing keys in their folder. A running service applies a change within a second or two.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::table::aligned;
use super::terminal::out_block;
use crate::ambient::Ambient;
use crate::config;
use crate::domain::algorithm::SigningAlg;
use crate::keyring::{
    GenerateKey, ImportKey, KeyInfo, KeyState, Keyring, Kid, RetiredKey, RotatedKey, RsaBits,
};

/// The signing keys.
#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Generate a signing key
    Generate(GenerateArgs),
    /// Import a private key: unencrypted PKCS#8 PEM, or a private JWK
    Import(ImportArgs),
    /// List the keys
    List(ListArgs),
    /// Rotate keys: new ones sign after `publish_before`, or now
    Rotate(RotateArgs),
    /// Retire a key; if it is current, another one signs at once
    Retire(RetireArgs),
}

#[derive(Debug, Args)]
struct GenerateArgs {
    /// Its algorithm: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or `EdDSA`
    #[arg(long)]
    alg: SigningAlg,
    /// Its kid [default: generated from the algorithm and the day]
    #[arg(long)]
    kid: Option<Kid>,
    /// The size of an RSA key: 2048, 3072 or 4096 [default: 2048]
    #[arg(long, value_parser = parse_bits)]
    bits: Option<RsaBits>,
    /// Let it sign at once, although receivers cannot know it from the JWKS yet
    #[arg(long)]
    activate_now: bool,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file; it is copied and not changed
    file: PathBuf,
    /// Its kid [default: the JWK's own, or the file's name without its extension]
    #[arg(long)]
    kid: Option<Kid>,
    /// The algorithm of an RSA key [default: that of the JWK, or the first one without a key, or RS256]
    #[arg(long)]
    alg: Option<SigningAlg>,
    /// Let it sign at once: correct if receivers know it already, as with an OP's own key
    #[arg(long)]
    activate_now: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// Only this algorithm [default: every one in `keys.algorithms`]
    #[arg(long)]
    alg: Option<SigningAlg>,
    /// Let the new keys sign at once, although receivers cannot know them from the JWKS yet
    #[arg(long)]
    now: bool,
}

#[derive(Debug, Args)]
struct RetireArgs {
    /// The kid of the key
    kid: Kid,
    /// Remove it from the JWKS at once instead of after `publish_after`
    #[arg(long)]
    compromised: bool,
}

fn parse_bits(text: &str) -> Result<RsaBits, String> {
    let bits = text.parse().ok().and_then(RsaBits::from_bits);
    bits.ok_or_else(|| format!("`{text}` is not a valid size of an RSA key; use 2048, 3072 or 4096"))
}

/// Runs the command on the folder in `config`, and prints what it did.
pub(super) fn run(args: KeysArgs, config: config::Keys) -> anyhow::Result<()> {
    let text = execute(args.command, config, Ambient::system())?;
    out_block(&text);
    Ok(())
}

fn execute(command: KeysCommand, config: config::Keys, ambient: Ambient) -> anyhow::Result<String> {
    let keyring = Keyring::inspect(config, ambient)?;
    match command {
        KeysCommand::Generate(args) => {
            let GenerateArgs { alg, kid, bits, activate_now } = args;
            let key = keyring.generate(GenerateKey { alg, kid, bits, activate_now })?;
            Ok(summary("generated", &key))
        }
        KeysCommand::Import(args) => {
            let ImportArgs { file, kid, alg, activate_now } = args;
            let key = keyring
                .import_file(&file, ImportKey { kid, alg, activate_now })
                .with_context(|| format!("{} was not imported", file.display()))?;
            Ok(summary("imported", &key))
        }
        KeysCommand::List(ListArgs { json: true }) => {
            let mut text = serde_json::to_string_pretty(&keyring.keys())?;
            text.push('\n');
            Ok(text)
        }
        KeysCommand::List(ListArgs { json: false }) => Ok(table(&keyring.keys())),
        KeysCommand::Rotate(args) => {
            let rotated = match args.alg {
                Some(alg) => vec![keyring.rotate(alg, args.now)?],
                None => keyring.rotate_all(args.now)?,
            };
            let line =
                |RotatedKey { key, made }| summary(if made { "generated" } else { "exists already:" }, &key);
            Ok(rotated.into_iter().map(line).collect())
        }
        KeysCommand::Retire(args) => Ok(retired(&keyring.retire(&args.kid, args.compromised)?)),
    }
}

fn summary(action: &str, key: &KeyInfo) -> String {
    let KeyInfo { kid, alg, kind, .. } = key;
    let from = match key.state {
        KeyState::Current => "it signs from now on".to_owned(),
        KeyState::Next => format!("it is in the JWKS and signs from {} on", shown(key.activates_at)),
        KeyState::Retired => "it is retired".to_owned(),
    };
    format!("{action} {kid} ({alg}, {kind}): {from}\n")
}

fn retired(outcome: &RetiredKey) -> String {
    let RetiredKey { key, successor } = outcome;
    let kid = &key.kid;
    let mut text = match key.published_until {
        Some(until) if key.published => {
            format!("retired {kid}: it stays in the JWKS until {}\n", shown(until))
        }
        _ => format!("retired {kid}: it is not in the JWKS; you can delete its file\n"),
    };
    if let Some(successor) = successor {
        text += &summary("its successor:", successor);
        text += "receivers that cached the JWKS may refuse its tokens until they fetch the JWKS again\n";
    }
    text
}

fn table(keys: &[KeyInfo]) -> String {
    if keys.is_empty() {
        return "no keys; `logoutd serve` generates them when it starts\n".to_owned();
    }
    let header = ["KID", "ALG", "KIND", "STATE", "SIGNS FROM", "RETIRED", "IN THE JWKS"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(keys.iter().map(row)).collect();
    aligned(&rows)
}

fn row(key: &KeyInfo) -> [String; 7] {
    let published = match (key.published, key.published_until) {
        (true, None) => "yes".to_owned(),
        (true, Some(until)) => format!("until {}", shown(until)),
        (false, _) => "no".to_owned(),
    };
    [
        key.kid.to_string(),
        key.alg.to_string(),
        key.kind.to_string(),
        key.state.as_str().to_owned(),
        shown(key.activates_at),
        key.retired_at.map_or_else(|| "-".to_owned(), shown),
        published,
    ]
}

/// To whole seconds, UTC.
fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use std::sync::Arc;

    use crate::clock::ManualClock;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        keys: KeysArgs,
    }

    fn config(directory: &Path) -> config::Keys {
        config::Keys {
            directory: directory.to_owned(),
            algorithms: vec![SigningAlg::Es256, SigningAlg::EdDsa],
            rotate_every: None,
            publish_before: Duration::from_hours(24),
            publish_after: Duration::from_hours(24),
        }
    }

    fn keys(directory: &Path, line: &str) -> anyhow::Result<String> {
        let clock = ManualClock::new("2026-01-02T03:04:05.678Z".parse().unwrap());
        let words = std::iter::once("keys").chain(line.split_whitespace());
        let command = Cli::try_parse_from(words)?.keys.command;
        let ambient = Ambient { clock: Arc::new(clock), ..Ambient::system() };
        execute(command, config(directory), ambient)
    }

    #[test]
    fn list_makes_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("keys");
        assert_eq!(
            keys(&folder, "list").unwrap(),
            "no keys; `logoutd serve` generates them when it starts\n"
        );
        assert_eq!(keys(&folder, "list --json").unwrap(), "[]\n");
        assert!(!folder.exists());
    }

    #[test]
    fn generate_then_list() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("keys");
        let said = keys(&folder, "generate --alg ES256 --kid one").unwrap();
        assert_eq!(said, "generated one (ES256, P-256): it signs from now on\n");
        let said = keys(&folder, "generate --alg ES256 --kid two").unwrap();
        assert_eq!(
            said,
            "generated two (ES256, P-256): it is in the JWKS and signs from 2026-01-03T03:04:05Z on\n"
        );
        assert_eq!(
            keys(&folder, "list").unwrap(),
            "KID  ALG    KIND   STATE    SIGNS FROM            RETIRED  IN THE JWKS\n\
             one  ES256  P-256  current  2026-01-02T03:04:05Z  -        yes\n\
             two  ES256  P-256  next     2026-01-03T03:04:05Z  -        yes\n"
        );
        let json: serde_json::Value = serde_json::from_str(&keys(&folder, "list --json").unwrap()).unwrap();
        assert_eq!(json[1]["kid"], "two");
        assert_eq!(json[1]["state"], "next");
        assert_eq!(json[1]["kind"], "P-256");
    }

    #[test]
    fn rotate_takes_every_configured_alg_and_does_not_pile_up() {
        let temporary = tempfile::tempdir().unwrap();
        keys(temporary.path(), "generate --alg ES256 --kid es").unwrap();
        keys(temporary.path(), "generate --alg EdDSA --kid ed").unwrap();
        let first = keys(temporary.path(), "rotate").unwrap();
        assert_eq!(first.lines().filter(|line| line.starts_with("generated ")).count(), 2, "{first}");
        let second = keys(temporary.path(), "rotate --alg ES256").unwrap();
        assert!(second.starts_with("exists already: es256-20260102-"), "{second}");
        let now = keys(temporary.path(), "rotate --alg ES256 --now").unwrap();
        assert!(now.starts_with("exists already: es256-20260102-"), "{now}");
        assert!(now.ends_with("it signs from now on\n"), "{now}");
    }

    #[test]
    fn retire_says_what_takes_over() {
        let temporary = tempfile::tempdir().unwrap();
        keys(temporary.path(), "generate --alg ES256 --kid es").unwrap();
        let said = keys(temporary.path(), "retire es --compromised").unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("retired es: it is not in the JWKS"), "{said}");
        assert!(lines[1].starts_with("its successor: es256-20260102-"), "{said}");
        assert_eq!(lines.len(), 3);
        let error = keys(temporary.path(), "retire nobody").unwrap_err();
        assert!(error.to_string().contains("no key with the kid \"nobody\""), "{error}");
    }

    #[test]
    fn import_takes_the_name_of_the_file() {
        let temporary = tempfile::tempdir().unwrap();
        let (theirs, ours) = (temporary.path().join("op"), temporary.path().join("ours"));
        keys(&theirs, "generate --alg EdDSA --kid op-2026").unwrap();
        let file = theirs.join("op-2026.pem");
        let said = keys(&ours, &format!("import {}", file.display())).unwrap();
        assert_eq!(said, "imported op-2026 (EdDSA, Ed25519): it signs from now on\n");
        assert_eq!(fs::read(ours.join("op-2026.pem")).unwrap(), fs::read(&file).unwrap());

        let error = keys(&ours, &format!("import {} --alg ES256 --kid x", file.display())).unwrap_err();
        assert_eq!(error.to_string(), format!("{} was not imported", file.display()));
        assert_eq!(
            error.root_cause().to_string(),
            "the key to import: ES256 does not go with its Ed25519 key; that signs EdDSA"
        );
    }

    #[test]
    fn wrong_usage_says_what_is_right() {
        let temporary = tempfile::tempdir().unwrap();
        for (line, text) in [
            ("generate --alg HS256", "use one of RS256"),
            ("generate --alg RS256 --bits 1024", "use 2048, 3072 or 4096"),
            ("generate --alg ES256 --kid a/b", "a kid has only letters"),
            ("generate --alg ES256 --bits 2048", "ES256 keys have one size"),
        ] {
            let error = keys(temporary.path(), line).unwrap_err();
            assert!(error.to_string().contains(text), "{line}: {error}");
        }
    }
}
