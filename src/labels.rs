//! What a caller says of the tokens of a batch, for routers that go by it instead of, or beside, the tokens themselves.

use crate::error::Error;

/// What is known of a batch's `T` tokens; a router that needs one of these refuses a batch without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// `u32[T]`: the tokens' ids in their vocabulary.
    pub token_ids: Option<Vec<u32>>,
    /// `u32[T]`: the domain that each token's text is of.
    pub domain: Option<Vec<u32>>,
    /// `f32[T, E]`: how much each expert counts for each token, where domains are mixed.
    pub mixture: Option<Vec<f32>>,
    /// `u32[T]`: the language that each token's text is in.
    pub source_language: Option<Vec<u32>>,
    /// `u32[T]`: the language that each token's text is to become.
    pub target_language: Option<Vec<u32>>,
    /// `u32[T]`: the task that each token's text is for.
    pub task: Option<Vec<u32>>,
    /// Tokens of a sequence, for routers that look at a token's neighbours; the whole batch is one if not given.
    pub sequence: Option<usize>,
}

impl Labels {
    /// Nothing is known.
    pub const NONE: Labels = Labels {
        token_ids: None,
        domain: None,
        mixture: None,
        source_language: None,
        target_language: None,
        task: None,
        sequence: None,
    };

    /// The labels called `name` in [`ForwardOptions`](crate::session::ForwardOptions), one for each of `tokens` tokens and each
    /// below `end`, which is `what_ends`.
    ///
    /// # Errors
    /// [`Error::MissingLabels`], [`Error::WrongLength`], or [`Error::InvalidArgument`] for the first label that is too large.
    pub fn of(
        &self,
        name: &'static str,
        router: &'static str,
        tokens: usize,
        (end, what_ends): (usize, &str),
    ) -> Result<&[u32], Error> {
        let labels = match name {
            "domain" => &self.domain,
            "sourceLanguage" => &self.source_language,
            "targetLanguage" => &self.target_language,
            "task" => &self.task,
            _ => &self.token_ids,
        };
        let Some(labels) = labels else {
            return Err(Error::MissingLabels { what: name, router });
        };
        if labels.len() != tokens {
            let shape = format!("[{tokens}]");
            return Err(Error::WrongLength { what: name.into(), got: labels.len(), wanted: tokens, shape });
        }
        if let Some((t, label)) = labels.iter().enumerate().find(|(_, label)| **label as usize >= end) {
            let wanted = format!("below {end}, {what_ends}");
            return Err(Error::InvalidArgument { what: format!("{name}[{t}]"), got: label.to_string(), wanted });
        }
        Ok(labels)
    }

    /// The experts' weights for each of `tokens` tokens, `f32[T, E]`, if they were given.
    ///
    /// # Errors
    /// [`Error::WrongLength`], or [`Error::InvalidArgument`] for the first that is no finite number from 0 on.
    pub fn mixture(&self, tokens: usize, experts: usize) -> Result<Option<&[f32]>, Error> {
        let Some(mixture) = &self.mixture else { return Ok(None) };
        let (what, got, wanted) = ("mixture", mixture.len(), tokens * experts);
        if got != wanted {
            let shape = format!("[{tokens}, {experts}]");
            return Err(Error::WrongLength { what: what.into(), got, wanted, shape });
        }
        match mixture.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            Some(at) => Err(Error::InvalidArgument {
                what: format!("{what}[{at}]"),
                got: mixture[at].to_string(),
                wanted: "a finite number from 0 on".into(),
            }),
            None => Ok(Some(mixture)),
        }
    }

    /// Tokens of a sequence, of a batch of `tokens`; at least 1.
    pub fn sequence(&self, tokens: usize) -> usize {
        self.sequence.unwrap_or(tokens).max(1)
    }
}
