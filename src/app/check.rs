//! Checks of a configuration that need more than its text: keys, files and the rules for outgoing requests.

use std::collections::BTreeSet;

use super::tls;
use crate::ambient::Ambient;
use crate::config::{ConfigErrors, Loaded, Problem};
use crate::domain::algorithm::SigningAlg;
use crate::egress::Policy;
use crate::keyring::Keyring;

/// Checks the clients' URIs against the rules for outgoing requests, their algorithms against the keys that exist or
/// will be made, and the files of the listeners' TLS. It changes nothing.
pub fn check(loaded: &Loaded, ambient: &Ambient) -> anyhow::Result<()> {
    let config = &loaded.config;
    let keyring = Keyring::inspect(config.keys.clone(), ambient.clone())?;
    let mut algs: BTreeSet<SigningAlg> = keyring.algorithms().into_iter().collect();
    algs.extend(&config.keys.algorithms);
    let mut problems = client_problems(loaded, &Policy::from(&config.egress), &algs);
    problems.extend(tls::problems(loaded));
    Ok(ConfigErrors::check(problems)?)
}

fn client_problems(loaded: &Loaded, policy: &Policy, algs: &BTreeSet<SigningAlg>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, client) in loaded.config.clients.iter().enumerate() {
        if let Some(uri) = &client.backchannel_logout_uri
            && let Err(error) = policy.check_uri(uri)
        {
            let key = format!("clients[{index}].backchannel_logout_uri");
            problems.push(loaded.problem(&key, error.to_string()));
        }
        let alg = client.id_token_signed_response_alg;
        if !algs.contains(&alg) {
            let key = format!("clients[{index}].id_token_signed_response_alg");
            let fix = format!("there is no {alg} key; add \"{alg}\" to keys.algorithms, or import one");
            problems.push(loaded.problem(&key, fix));
        }
    }
    problems
}
