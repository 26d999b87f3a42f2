//! Language experts.

use serde::Serialize;

use super::{Chooses, Exchanges, Gate, Router};
use crate::config::LayerConfig;
use crate::config::check::invalid;
use crate::config::limits::EXPERTS;
use crate::config::raw::Node;
use crate::config::read::Fields;
use crate::error::Error;

/// An expert for each language, or for each group of languages: that of a token's text, whose weight is 1.
///
/// # Source
/// Fan et al. 2021, "Beyond English-Centric Multilingual Machine Translation": the encoder goes by the source language, the decoder
/// by the target language.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Language {
    /// `[languages]`: the expert of every language; `None`: each of `E` languages has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<u32>>,
    /// Which of a text's languages counts.
    pub by: Side,
    /// Whether a token may lie elsewhere than its expert.
    pub exchange: Exchanges,
}

/// A side of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The language that a text is in.
    Source,
    /// The language that it becomes.
    Target,
}

impl Language {
    /// An expert of its own for each language.
    pub fn new(by: Side) -> Self {
        Language { table: None, by, exchange: Exchanges::All2all }
    }

    /// The expert of every language, of a layer of `experts` experts.
    pub fn experts_of(&self, experts: usize) -> Vec<u32> {
        self.table.clone().unwrap_or_else(|| (0..experts as u32).collect())
    }

    /// The name of the label that it goes by.
    pub fn label(&self) -> &'static str {
        match self.by {
            Side::Source => "sourceLanguage",
            Side::Target => "targetLanguage",
        }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self, Error> {
        let by = f.choice("by", &[("source", Side::Source), ("target", Side::Target)])?;
        let Some(by) = by else { return Err(f.invalid("by", &Node::Absent, "\"source\" or \"target\"")) };
        let table = f.wholes("table", 0..=EXPERTS.end() - 1)?;
        let router = Language {
            table: table.map(|experts| experts.into_iter().map(|expert| expert as u32).collect()),
            by,
            exchange: f.choice("exchange", &Exchanges::NAMES)?.unwrap_or(Exchanges::All2all),
        };
        f.finish()?;
        Ok(router)
    }
}

impl Router for Language {
    fn choices(&self, _experts: usize) -> usize {
        1
    }

    fn gate(&self) -> Option<Gate> {
        None
    }

    fn chooses(&self) -> Chooses {
        Chooses::Labels
    }

    fn exchange(&self) -> Exchanges {
        self.exchange
    }

    fn check(&self, layer: &LayerConfig) -> Result<(), Error> {
        let Some(table) = &self.table else { return Ok(()) };
        if table.is_empty() {
            return Err(invalid("router.table", "empty", "an expert for every language"));
        }
        match table.iter().position(|expert| *expert as usize >= layer.experts) {
            Some(language) => {
                let wanted = format!("below experts = {}", layer.experts);
                Err(invalid(&format!("router.table[{language}]"), table[language], &wanted))
            }
            None => Ok(()),
        }
    }
}
