//! `$filter`: its grammar, and whether an object fits. Source: OData 4.01, URL conventions, and the operators that Microsoft's "Advanced
//! query capabilities on directory objects" names.

use crate::sandbox::moment::Moment;
use crate::sandbox::types::fold_id;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A condition.
#[derive(Debug, PartialEq)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare {
        path: Path,
        operator: Operator,
        value: Value,
    },
    In {
        path: Path,
        values: Vec<Value>,
    },
    Text {
        function: Function,
        path: Path,
        part: String,
    },
    /// An element of a collection fits; any element where no condition is given.
    Any {
        path: Path,
        variable: String,
        inner: Option<Box<Filter>>,
    },
}

/// `web/redirectUris`, or `k/keyId` of a lambda's variable.
pub(super) type Path = Vec<String>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Ge,
    Gt,
    Le,
    Lt,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("ge", Operator::Ge),
    ("gt", Operator::Gt),
    ("le", Operator::Le),
    ("lt", Operator::Lt),
];
const FUNCTIONS: &[(&str, Function)] =
    &[("startswith", Function::StartsWith), ("endswith", Function::EndsWith), ("contains", Function::Contains)];

impl Filter {
    /// `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim() };
        let filter = parser.or()?;
        parser.rest.is_empty().then_some(filter)
    }

    /// Every condition in it, itself first.
    pub(super) fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                all.extend(left.all());
                all.extend(right.all());
            }
            Self::Not(inner) | Self::Any { inner: Some(inner), .. } => all.extend(inner.all()),
            _ => {}
        }
        all
    }

    /// What it looks at.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Compare { path, .. } | Self::In { path, .. } | Self::Text { path, .. } | Self::Any { path, .. } => {
                Some(path)
            }
            _ => None,
        }
    }

    /// The same for changing it.
    pub(super) fn paths_mut(&mut self, change: &mut impl FnMut(&mut Path)) {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.paths_mut(change);
                right.paths_mut(change);
            }
            Self::Not(inner) => inner.paths_mut(change),
            // Within, paths begin with the variable.
            Self::Compare { path, .. } | Self::In { path, .. } | Self::Text { path, .. } | Self::Any { path, .. } => {
                change(path);
            }
        }
    }

    pub(super) fn holds(&self, object: &Map<String, Value>) -> bool {
        self.fits(object, None)
    }

    fn fits(&self, object: &Map<String, Value>, element: Option<(&str, &Value)>) -> bool {
        let found = |path: &Path| find(object, element, path);
        match self {
            Self::And(left, right) => left.fits(object, element) && right.fits(object, element),
            Self::Or(left, right) => left.fits(object, element) || right.fits(object, element),
            Self::Not(inner) => !inner.fits(object, element),
            Self::Compare { path, operator, value } => compares(path, &found(path), *operator, value),
            Self::In { path, values } => {
                let found = found(path);
                values.iter().any(|value| compares(path, &found, Operator::Eq, value))
            }
            Self::Text { function, path, part } => found(path).as_str().is_some_and(|text| {
                let (text, part) = (folded(path, text), folded(path, part));
                match function {
                    Function::StartsWith => text.starts_with(&part),
                    Function::EndsWith => text.ends_with(&part),
                    Function::Contains => text.contains(&part),
                }
            }),
            Self::Any { path, variable, inner } => match &found(path) {
                Value::Array(all) => {
                    all.iter().any(|one| inner.as_ref().is_none_or(|inner| inner.fits(object, Some((variable, one)))))
                }
                _ => false,
            },
        }
    }
}

/// The value that a path leads to; the number of elements behind `$count`.
fn find(object: &Map<String, Value>, element: Option<(&str, &Value)>, path: &Path) -> Value {
    let Some((first, rest)) = path.split_first() else { return Value::Null };
    let start = match element {
        Some((variable, value)) if variable == first => Some(value),
        _ => object.get(first),
    };
    let mut value = start.cloned().unwrap_or_default();
    for name in rest {
        value = match (&value, name.as_str()) {
            (Value::Array(all), "$count") => all.len().into(),
            (value, name) => value.get(name).cloned().unwrap_or_default(),
        };
    }
    value
}

/// Display names compare without case. Source: azuread's `TestAccServicePrincipalDataSource_builtInByDisplayName`.
fn folded(path: &Path, text: &str) -> String {
    if path.last().is_some_and(|name| name == "displayName") { text.to_lowercase() } else { fold_id(text) }
}

fn compares(path: &Path, found: &Value, operator: Operator, value: &Value) -> bool {
    let order = match (found, value) {
        (Value::String(found), Value::String(value)) => match (found.parse::<Moment>(), value.parse::<Moment>()) {
            (Ok(found), Ok(value)) => Some(found.cmp(&value)),
            _ => Some(folded(path, found).cmp(&folded(path, value))),
        },
        (Value::Number(found), Value::Number(value)) => found.as_f64().partial_cmp(&value.as_f64()),
        (found, value) if found == value => Some(Ordering::Equal),
        _ => None,
    };
    match operator {
        Operator::Eq => order == Some(Ordering::Equal),
        Operator::Ne => order != Some(Ordering::Equal),
        Operator::Ge => order.is_some_and(Ordering::is_ge),
        Operator::Gt => order.is_some_and(Ordering::is_gt),
        Operator::Le => order.is_some_and(Ordering::is_le),
        Operator::Lt => order.is_some_and(Ordering::is_lt),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Option<Filter> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Filter::Or(left.into(), self.and()?.into());
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Filter> {
        let mut left = self.unary()?;
        while self.word("and") {
            left = Filter::And(left.into(), self.unary()?.into());
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Filter> {
        if self.word("not") {
            return Some(Filter::Not(self.unary()?.into()));
        }
        if self.sign("(") {
            let inner = self.or()?;
            return self.sign(")").then_some(inner);
        }
        for (name, function) in FUNCTIONS {
            if self.call(name) {
                let path = self.path()?;
                let part = self.sign(",").then(|| self.literal())??.as_str()?.to_owned();
                return self.sign(")").then_some(Filter::Text { function: *function, path, part });
            }
        }
        let mut path = self.path()?;
        if path.last().is_some_and(|last| last.eq_ignore_ascii_case("any")) && self.sign("(") {
            path.pop();
            return self.any(path);
        }
        if self.word("in") {
            let mut values = Vec::new();
            let mut more = self.sign("(");
            while more {
                values.push(self.literal()?);
                more = self.sign(",");
            }
            return (self.sign(")") && !values.is_empty()).then_some(Filter::In { path, values });
        }
        let (_, operator) = OPERATORS.iter().find(|(name, _)| self.word(name))?;
        Some(Filter::Compare { path, operator: *operator, value: self.literal()? })
    }

    fn any(&mut self, path: Path) -> Option<Filter> {
        if self.sign(")") {
            return Some(Filter::Any { path, variable: String::new(), inner: None });
        }
        let variable = self.path()?.pop()?;
        let inner = self.sign(":").then(|| self.or())??;
        self.sign(")").then_some(Filter::Any { path, variable, inner: Some(inner.into()) })
    }

    /// Takes a keyword.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word));
        let rest = rest.and_then(|_| self.rest.get(word.len()..));
        match rest.filter(|rest| rest.starts_with([' ', '('])) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn call(&mut self, name: &str) -> bool {
        let before = self.rest;
        if self.word(name) && self.sign("(") {
            return true;
        }
        self.rest = before;
        false
    }

    fn sign(&mut self, sign: &str) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn token(&mut self, fits: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|one| !fits(one)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.trim_start();
        Some(token).filter(|token| !token.is_empty())
    }

    fn path(&mut self) -> Option<Path> {
        let token = self.token(|one| one.is_alphanumeric() || "_/$.".contains(one))?;
        Some(token.split('/').map(str::to_owned).collect())
    }

    fn literal(&mut self) -> Option<Value> {
        if let Some(mut rest) = self.rest.strip_prefix('\'') {
            let mut text = String::new();
            loop {
                let (part, after) = rest.split_once('\'')?;
                text.push_str(part);
                let Some(doubled) = after.strip_prefix('\'') else {
                    self.rest = after.trim_start();
                    return Some(text.into());
                };
                text.push('\'');
                rest = doubled;
            }
        }
        let token = self.token(|one| !one.is_whitespace() && !"(),'".contains(one))?;
        match token {
            "null" => Some(Value::Null),
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            number if number.parse::<i64>().is_ok() => number.parse::<i64>().ok().map(Value::from),
            id_or_date if uuid::Uuid::try_parse(token).is_ok() || token.parse::<Moment>().is_ok() => {
                Some(id_or_date.into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(filter: &str, object: &Value) -> bool {
        Filter::parse(filter).unwrap_or_else(|| panic!("{filter}")).holds(object.as_object().unwrap())
    }

    #[test]
    fn conditions_hold_and_do_not() {
        let object = json!({
            "displayName": "Alpha One", "appId": "0A1B0000-0000-4000-8000-00000000000c", "enabled": true, "notes": null, "count": 3,
            "tags": ["a", "it's"], "keys": [{ "keyId": "k" }], "web": { "redirectUris": ["https://a.example"] },
            "createdDateTime": "2026-01-02T00:00:00Z",
        });
        for filter in [
            "displayName eq 'alpha one'",
            "startswith(displayName,'ALPHA')",
            "endswith(displayName, 'One') and enabled eq true",
            "appId eq '0a1b0000-0000-4000-8000-00000000000C'",
            "appId eq 0a1b0000-0000-4000-8000-00000000000C",
            "displayName eq 'x' or notes eq null",
            "not (displayName eq 'x')",
            "not(displayName eq 'x') and (enabled eq false or count ge 3)",
            "displayName in ('x', 'Alpha One')",
            "tags/any(t:t eq 'it''s')",
            "tags/any(tag: startswith(tag, 'it'))",
            "tags/any()",
            "keys/any(k:k/keyId eq 'k')",
            "web/redirectUris/any(p:p eq 'https://a.example')",
            "tags/$count eq 2",
            "createdDateTime ge 2026-01-01T00:00:00Z",
            "createdDateTime lt 2026-01-02T02:00:00+01:00",
            "displayName ne 'x'",
            "notes ne 'x'",
        ] {
            assert!(holds(filter, &object), "{filter}");
        }
        for filter in [
            "tags/any(t:t eq 'A')",
            "notes eq 'x'",
            "keys/any(k:k/keyId eq 'x')",
            "enabled eq false",
            "count gt 3",
            "missing/any()",
        ] {
            assert!(!holds(filter, &object), "{filter}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(holds("a eq 1 or a eq 2 and a eq 3", &json!({ "a": 1 })));
        assert!(!holds("(a eq 1 or a eq 2) and a eq 3", &json!({ "a": 1 })));
    }

    #[test]
    fn what_is_no_filter_is_none() {
        for text in [
            "",
            "a",
            "a eq",
            "a eq 'x",
            "a is 1",
            "(a eq 1",
            "a eq 1 b eq 2",
            "a in ()",
            "tags/any(t",
            "startswith(a)",
            "a eq x",
        ] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
