//! The part of OData that the sandbox knows. What it does not know is refused, as a filter that is ignored would return too much.
//! Source: Microsoft's "Customize Microsoft Graph responses with query parameters" and "Advanced query capabilities on directory objects".

mod filter;
mod text;

use super::call::Call;
use super::errors::Failure;
use super::shapes;
use super::store::Object;
use super::types::{canonical, is_single, list_of};
use filter::{Filter, Function, Operator, Path};
use serde_json::{Value, json};
pub(super) use text::unescape;

/// Most related objects that come with one. Source: the limitation that Microsoft documents for directory objects.
const MOST_EXPANDED: usize = 20;

/// What may be asked of one type of objects.
pub(super) struct Kind {
    pub name: &'static str,
    /// Properties that one filters by.
    pub filter: &'static [&'static str],
    /// Relations that come along.
    pub expand: &'static [&'static str],
    /// Whether it is a directory object: some of its queries are answered by an index that one has to ask for.
    pub is_directory_object: bool,
}

impl Kind {
    /// A type of which nothing can be asked but its properties.
    pub(super) const fn plain(name: &'static str) -> Self {
        Self { name, filter: &[], expand: &[], is_directory_object: false }
    }
}

/// Query options, decoded.
pub(super) struct Options {
    type_name: &'static str,
    select: Option<Vec<String>>,
    filter: Option<Filter>,
    search: Option<Vec<(String, String)>>,
    order: Vec<(String, bool)>,
    /// What comes along.
    expand: Vec<Expansion>,
    count: bool,
    top: usize,
    skip: usize,
}

/// A relation, and what is selected of it.
type Expansion = (String, Option<Vec<String>>);

/// Gives the objects that one is related to.
pub(super) type Related<'a> = &'a dyn Fn(&Object, &str) -> Vec<Object>;

/// For objects without relations.
pub(super) fn alone(_: &Object, _: &str) -> Vec<Object> {
    Vec::new()
}

impl Options {
    /// Reads the options of a request for objects of a kind.
    pub(super) fn read(call: &Call, kind: &Kind) -> Result<Self, Failure> {
        let mut options = Self {
            type_name: kind.name,
            select: None,
            filter: None,
            search: None,
            order: Vec::new(),
            expand: Vec::new(),
            count: false,
            top: call.page_size,
            skip: 0,
        };
        for pair in call.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(&value.replace('+', " "));
            // The sign is optional, and names have no case.
            match unescape(name).trim_start_matches('$').to_lowercase().as_str() {
                "select" => options.select = Some(select(&value, kind.name)?),
                "filter" => options.filter = Some(filtered(&value, kind)?),
                "search" => options.search = Some(search(&value)?),
                "orderby" => options.order = order(&value, kind)?,
                "expand" => options.expand = expand(&value, kind)?,
                "count" => options.count = value == "true",
                "top" => {
                    let top = value.parse().ok().filter(|top| (1..=999).contains(top));
                    options.top = top.ok_or_else(|| Failure::bad_request("Invalid page size specified."))?;
                }
                "skiptoken" => {
                    options.skip = value.parse().map_err(|_| Failure::bad_request("The skip token is not valid."))?;
                }
                other => return Err(Failure::bad_request(format!("The query option '${other}' is not known here."))),
            }
        }
        options.check_index(call, kind)?;
        // The number comes from the index only.
        options.count &= call.eventual || !kind.is_directory_object;
        Ok(options)
    }

    /// Refuses what only the index can answer where nobody asked for that.
    fn check_index(&self, call: &Call, kind: &Kind) -> Result<(), Failure> {
        if !kind.is_directory_object || call.eventual && self.count {
            return Ok(());
        }
        let hint = "the required parameters might be missing. Try adding $count=true query parameter and ConsistencyLevel:eventual header.";
        let advanced = self.filter.iter().flat_map(Filter::all).find_map(|one| match one {
            Filter::Compare { operator: Operator::Ne, .. } => Some("NotEqualsMatch"),
            Filter::Not(_) => Some("Not"),
            Filter::Text { function: Function::EndsWith, .. } => Some("EndsWith"),
            Filter::Compare { path, .. } if path.last().is_some_and(|last| last == "$count") => Some("Count"),
            _ => None,
        });
        if let Some(operator) = advanced {
            return Err(Failure::unsupported_query(format!("Operator '{operator}' is not supported because {hint}")));
        }
        if self.search.is_some() && !call.eventual {
            return Err(Failure::unsupported_query(
                "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'",
            ));
        }
        if !self.order.is_empty() && self.filter.is_some() {
            return Err(Failure::unsupported_query("Sorting not supported for current query."));
        }
        Ok(())
    }

    /// The properties that were asked for, of one of several, of which the keys of certificates are never shown.
    fn project_in_list(&self, object: &Object, related: Related<'_>) -> Value {
        let mut shown = self.project(object, related);
        if let Value::Object(shown) = &mut shown {
            shapes::hide_keys(shown);
        }
        shown
    }

    /// The properties that were asked for, and what comes along.
    pub(super) fn project(&self, object: &Object, related: Related<'_>) -> Value {
        let mut shown = selected(object, self.select.as_deref());
        // Some properties are given only to who asks for them.
        for name in self.select.iter().flatten().filter(|name| is_single(self.type_name, name)) {
            shown.entry(name.clone()).or_insert(Value::Null);
        }
        for (relation, select) in &self.expand {
            let all = related(object, relation);
            let all = all.iter().take(MOST_EXPANDED).map(|one| selected(one, select.as_deref()));
            shown.insert(relation.clone(), all.map(Value::Object).collect());
        }
        shown.into()
    }

    /// One page of what fits.
    pub(super) fn page<'a>(
        &self,
        call: &Call,
        objects: impl Iterator<Item = &'a Object>,
        related: Related<'_>,
    ) -> Value {
        let mut all: Vec<&Object> = objects.filter(|object| self.fits(object)).collect();
        for (name, descending) in self.order.iter().rev() {
            all.sort_by(|one, other| {
                let order = key(one, name).cmp(&key(other, name));
                if *descending { order.reverse() } else { order }
            });
        }
        let page = all.iter().skip(self.skip).take(self.top).map(|object| self.project_in_list(object, related));
        let page: Vec<_> = page.collect();
        let mut body = json!({});
        if self.count {
            body["@odata.count"] = all.len().into();
        }
        let next = self.skip + self.top;
        if next < all.len() {
            let is_token = |pair: &&str| {
                pair.split('=').next().is_some_and(|name| unescape(name).to_lowercase().ends_with("skiptoken"))
            };
            let kept = call.query.split('&').filter(|pair| !pair.is_empty() && !is_token(pair)).map(str::to_owned);
            let query = kept.chain([format!("$skiptoken={next}")]).collect::<Vec<_>>().join("&");
            body["@odata.nextLink"] = format!("{}{}?{query}", call.base, call.path).into();
        }
        body["value"] = page.into();
        body
    }

    /// How many fit.
    pub(super) fn number<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> usize {
        objects.filter(|object| self.fits(object)).count()
    }

    fn fits(&self, object: &Object) -> bool {
        let found = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        self.filter.as_ref().is_none_or(|filter| filter.holds(object))
            && self.search.iter().flatten().all(|(name, part)| found(name).contains(part))
    }
}

fn key(object: &Object, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase()
}

fn selected(object: &Object, select: Option<&[String]>) -> Object {
    match select {
        None => {
            let mut shown = object.clone();
            shapes::hide_keys(&mut shown);
            shown
        }
        Some(select) => {
            let asked = |name: &String| select.contains(name) || name.starts_with("@odata.");
            object.iter().filter(|(name, _)| asked(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
        }
    }
}

fn property(name: &str, type_name: &str) -> Result<String, Failure> {
    canonical(type_name, name).map(str::to_owned).ok_or_else(|| {
        Failure::bad_request(format!("Could not find a property named '{name}' on type 'microsoft.graph.{type_name}'."))
    })
}

fn select(text: &str, type_name: &str) -> Result<Vec<String>, Failure> {
    text.split(',').map(|name| property(name.trim(), type_name)).collect()
}

fn filtered(text: &str, kind: &Kind) -> Result<Filter, Failure> {
    let refuse = || Failure::bad_request(format!("Unsupported or invalid query filter clause specified: '{text}'."));
    let mut filter = Filter::parse(text).ok_or_else(refuse)?;
    let mut known = true;
    filter.paths_mut(&mut |path: &mut Path| {
        let name = path.first().and_then(|name| canonical(kind.name, name)).filter(|name| kind.filter.contains(name));
        match (name, path.first_mut()) {
            (Some(name), Some(first)) => name.clone_into(first),
            _ => known = false,
        }
    });
    // Elements of a collection are looked at one by one, and single values as they are.
    let fits = |one: &Filter| match (one, one.path()) {
        (Filter::Any { path, .. }, _) => path.len() > 1 || list_of(kind.name, &path[0]),
        (Filter::Text { function: Function::Contains, .. }, _) => !kind.is_directory_object,
        (_, Some(path)) if path.len() == 1 => canonical(kind.name, &path[0]).is_none() || !list_of(kind.name, &path[0]),
        _ => true,
    };
    if known && filter.all().into_iter().all(fits) { Ok(filter) } else { Err(refuse()) }
}

/// `"displayName:one" AND "description:two"`.
fn search(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let refuse = || Failure::bad_request(format!("Unrecognized query argument specified: '{text}'."));
    let part = |part: &str| {
        let (name, value) = part.trim().strip_prefix('"')?.strip_suffix('"')?.split_once(':')?;
        ["displayName", "description"].contains(&name).then(|| (name.to_owned(), value.to_lowercase()))
    };
    text.split(" AND ").map(|one| part(one).ok_or_else(refuse)).collect()
}

fn order(text: &str, kind: &Kind) -> Result<Vec<(String, bool)>, Failure> {
    let sortable = |name: &str| ["displayName", "createdDateTime", "deletedDateTime"].contains(&name);
    let one = |part: &str| {
        let (name, direction) = part.trim().split_once(' ').unwrap_or((part.trim(), "asc"));
        let name = property(name, kind.name)?;
        if sortable(&name) && kind.is_directory_object && ["asc", "desc"].contains(&direction.trim()) {
            return Ok((name, direction.trim() == "desc"));
        }
        Err(Failure::unsupported_query(format!("Sorting by $orderby={text} is not supported for current query.")))
    };
    text.split(',').map(one).collect()
}

/// `owners($select=id,displayName)`.
fn expand(text: &str, kind: &Kind) -> Result<Vec<Expansion>, Failure> {
    let (name, inner) = match text.split_once('(') {
        Some((name, inner)) => (name, inner.strip_suffix(')')),
        None => (text, None),
    };
    let relation = kind.expand.iter().find(|one| one.eq_ignore_ascii_case(name.trim()));
    let relation = relation.ok_or_else(|| {
        Failure::bad_request(format!("Parsing OData Select and Expand failed: '{text}' cannot be expanded here."))
    })?;
    let select = inner.and_then(|inner| inner.trim_start_matches('$').strip_prefix("select="));
    if inner.is_some() && select.is_none() {
        return Err(Failure::bad_request("Of what comes along, properties can be selected, and nothing else."));
    }
    let names = select.map(|select| select.split(',').map(|name| name.trim().to_owned()).collect());
    Ok(vec![((*relation).to_owned(), names)])
}
