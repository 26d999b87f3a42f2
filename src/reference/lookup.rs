//! Experts that follow from what is said of the tokens.
//!
//! # Source
//! Roller et al. 2021, "Hash Layers for Large Sparse Models"; Gururangan et al. 2021, "DEMix Layers"; Fan et al. 2021, "Beyond
//! English-Centric Multilingual Machine Translation"; Kudugunta et al. 2021, "Beyond Distillation".

use crate::config::{Domain, Exchanges, Hash, Hashed, Language, LayerConfig, RouterConfig, Side};
use crate::error::Error;
use crate::labels::Labels;
use crate::rng::hash_u32;

/// Experts of every token, one a table: `[T]` of `[tables]`.
pub(super) fn hashed(
    config: &LayerConfig,
    router: &Hash,
    labels: &Labels,
    tokens: usize,
) -> Result<Vec<Vec<usize>>, Error> {
    let (run, sequence) = (config.experts / router.tables.len(), labels.sequence(tokens));
    let known = (router.vocabulary(), "the length of router.table");
    let ids = match router.of {
        Hashed::Position => vec![0; tokens],
        _ => labels.of("tokenIds", "hash", tokens, known)?.to_vec(),
    };
    let hashes = ids.chunks(sequence).flat_map(|ids| hashes(router, ids));
    let experts =
        |hash: usize| router.tables.iter().zip(0..).map(|(table, j)| j * run + table[hash] as usize).collect();
    Ok(hashes.map(experts).collect())
}

/// What is looked up for the tokens of one sequence.
fn hashes(router: &Hash, ids: &[u32]) -> Vec<usize> {
    let (vocabulary, last) = (router.vocabulary(), ids.len() - 1);
    let of = |t: usize| match router.of {
        Hashed::Token => ids[t] as usize,
        Hashed::Previous => ids[t.saturating_sub(1)] as usize,
        Hashed::Bigram => hash_u32(0, 0, 0, ids[t.saturating_sub(1)], ids[t]) as usize % vocabulary,
        Hashed::Position => t % vocabulary,
        Hashed::Next => ids[last.min(t + 1)] as usize,
    };
    (0..ids.len()).map(of).collect()
}

/// What a token's experts are, and how much each counts: `[T]` of `[experts at work]` each.
type Mixed = (Vec<Vec<usize>>, Vec<Vec<f64>>);

/// The expert of each token's domain, with all the weight; or experts as they are mixed, those without weight left out.
pub(super) fn domains(config: &LayerConfig, router: &Domain, labels: &Labels, tokens: usize) -> Result<Mixed, Error> {
    let e = config.experts;
    let mixed = labels.mixture(tokens, e)?.map(|mixture| mixture.chunks_exact(e).collect::<Vec<_>>());
    let (experts, weights): Mixed = match (&router.mixture, mixed, &labels.domain) {
        (Some(_), Some(mixture), None) => mixture.into_iter().map(at_work).unzip(),
        (Some(own), None, None) => (0..tokens).map(|_| at_work(own)).unzip(),
        (_, None, _) => {
            let domains = labels.of("domain", "domain", tokens, (e, "the number of experts"))?;
            domains.iter().map(|domain| (vec![*domain as usize], vec![1.0])).unzip()
        }
        (_, Some(_), _) => {
            let (what, got) = ("mixture".to_owned(), "given".to_owned());
            return Err(Error::InvalidArgument { what, got, wanted: "left out".to_owned() });
        }
    };
    stay_home(config, &experts)?;
    Ok((experts, weights))
}

fn at_work(mixture: &[f32]) -> (Vec<usize>, Vec<f64>) {
    (0..mixture.len()).filter(|e| mixture[*e] > 0.0).map(|e| (e, f64::from(mixture[e]))).unzip()
}

/// The expert of each token's language.
pub(super) fn languages(
    config: &LayerConfig,
    router: &Language,
    labels: &Labels,
    tokens: usize,
) -> Result<Vec<Vec<usize>>, Error> {
    let name = match router.by {
        Side::Source => "sourceLanguage",
        Side::Target => "targetLanguage",
    };
    let of = |language: usize| router.table.as_ref().map_or(language, |table| table[language] as usize);
    let known = router.table.as_ref().map_or(config.experts, Vec::len);
    let languages = labels.of(name, "language", tokens, (known, "the languages that there are"))?;
    let experts: Vec<_> = languages.iter().map(|language| vec![of(*language as usize)]).collect();
    stay_home(config, &experts)?;
    Ok(experts)
}

/// The task of each token, where the router reads it in place of the token.
pub(super) fn tasks(config: &LayerConfig, labels: &Labels, tokens: usize) -> Result<Option<Vec<usize>>, Error> {
    let RouterConfig::Task(router) = &config.router else { return Ok(None) };
    let tasks = labels.of("task", "task", tokens, (router.tasks, "router.tasks"))?;
    Ok(Some(tasks.iter().map(|task| *task as usize).collect()))
}

/// Refuses a token whose expert is on another device, where nothing is exchanged.
fn stay_home(config: &LayerConfig, experts: &[Vec<usize>]) -> Result<(), Error> {
    if config.replicated || config.router.exchange() == Exchanges::All2all {
        return Ok(());
    }
    for (token, chosen) in experts.iter().enumerate() {
        let home = token * config.devices / experts.len();
        for &expert in chosen {
            let away = expert * config.devices / config.experts;
            if away != home {
                return Err(Error::ExpertElsewhere { token, home, expert, away });
            }
        }
    }
    Ok(())
}
