//! What a user is told: errors and warnings, each with what is wrong, why and how to mend it, and where.

use std::fmt;

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Attribute of an object.
    Attribute(String),
    /// Element of a map.
    Key(String),
    /// Element of a list. A set's element has no address: the path ends at the set.
    Index(i64),
}

/// Where in a configuration something is, relative to the resource's or provider's block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The attribute `name` of the block itself.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self(vec![Step::Attribute(name.into())])
    }

    /// This path, one step further.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl From<&str> for Path {
    fn from(name: &str) -> Self {
        Self::attribute(name)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if index == 0 => write!(out, "{name}")?,
                Step::Attribute(name) => write!(out, ".{name}")?,
                Step::Key(key) => write!(out, "[{key:?}]")?,
                Step::Index(position) => write!(out, "[{position}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a finding stops the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Stops this object; others go on.
    Error,
    /// Is shown, and nothing stops.
    Warning,
}

/// One finding. `summary`: what is wrong, one line without a period. `detail`: why, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One line, no period.
    pub summary: String,
    /// Full sentences; may be empty.
    pub detail: String,
    /// The attribute that the finding is about.
    pub path: Option<Path>,
}

impl Diagnostic {
    /// An error.
    pub fn error(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), detail: String::new(), path: None }
    }

    /// A warning.
    pub fn warning(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary) }
    }

    /// An error that can only come from a fault in this program.
    pub fn bug(what: impl fmt::Display) -> Self {
        Self::error(format!("Bug in the m365 provider: {what}")).help(
            "This should never happen. Please report it with the configuration that led here, without any secrets.",
        )
    }

    /// The same finding, about the attribute at `path`.
    #[must_use]
    pub fn at(mut self, path: impl Into<Path>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The same finding with one more paragraph that says why or how to mend it.
    #[must_use]
    pub fn help(mut self, text: impl AsRef<str>) -> Self {
        if !self.detail.is_empty() {
            self.detail.push_str("\n\n");
        }
        self.detail.push_str(text.as_ref());
        self
    }
}

/// All findings of one operation; as an `Err`, at least one of them is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|found| found.severity == Severity::Error)
    }

    /// `Ok` when none of them is an error.
    pub fn into_result(self) -> Result<()> {
        if self.has_errors() { Err(self) } else { Ok(()) }
    }

    /// One more finding.
    pub fn push(&mut self, found: Diagnostic) {
        self.0.push(found);
    }

    /// The findings of a failed part; its value where it did not fail.
    pub fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(found) => {
                self.0.extend(found.0);
                None
            }
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(found: Diagnostic) -> Self {
        Self(vec![found])
    }
}

/// What a hook answers.
pub type Result<T> = std::result::Result<T, Diagnostics>;
