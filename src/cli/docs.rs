//! `docs`: the reference pages in the layout of the registries, made from the schemas and `examples/`, and the generated parts of
//! guides. Source of the layout: Terraform Registry, "Provider Documentation".

use super::{print, profile_pages};
use crate::framework::{Attribute, Check, Dynamic, Schema, ServedFunction, Shape, Type, import_form};
use crate::graph::needed::{DUTIES, OPERATIONS};
use crate::registry;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folder of the repository.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// Write nothing; fail where a page is not what it would become.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let stale = stale(&arguments.repository)?;
    if arguments.check && !stale.is_empty() {
        let names: Vec<_> = stale.keys().map(|path| path.display().to_string()).collect();
        bail!("not current: {}; `cargo run -- docs` writes them", names.join(", "));
    }
    for (path, text) in &stale {
        let whole = arguments.repository.join(path);
        let folder = whole.parent().context("a page has no folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        std::fs::write(&whole, text).with_context(|| format!("{} cannot be written", whole.display()))?;
        print(&path.display().to_string());
    }
    Ok(())
}

/// The pages that differ from what they should be, by path below the repository, with what they should be. Fails on a page that
/// nothing makes any more, and on a resource without an example.
pub fn stale(repository: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut pages = reference(repository)?;
    for folder in FOLDERS {
        for name in files(&repository.join("docs").join(folder))? {
            let path = Path::new("docs").join(folder).join(name);
            if !pages.contains_key(&path) {
                bail!("{} is of nothing that the provider serves: remove it", path.display());
            }
        }
    }
    pages.extend(profile_pages::pages()?);
    for name in files(&repository.join("docs/guides"))? {
        let path = Path::new("docs/guides").join(&name);
        if pages.contains_key(&path) {
            continue;
        }
        if name.starts_with(profile_pages::PREFIX) {
            bail!("{} is of no connector profile: remove it", path.display());
        }
        let text = read(&repository.join(&path))?;
        pages.insert(path, filled(&text)?);
    }
    pages.retain(|path, text| std::fs::read_to_string(repository.join(path)).ok().as_ref() != Some(text));
    Ok(pages)
}

const FOLDERS: &[&str] = &["resources", "data-sources", "ephemeral-resources", "functions"];

fn reference(repository: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let server = registry::server();
    let examples = repository.join("examples");
    let mut pages = BTreeMap::new();
    let mut page = |folder: &str, name: &str, text: String| {
        let file = format!("{}.md", name.strip_prefix("m365_").unwrap_or(name));
        pages.insert(Path::new("docs").join(folder).join(file), text);
    };
    let example = read(&examples.join("provider/provider.tf"))?;
    let introduction = head("m365 Provider", &server.schema().description) + "# m365 Provider\n\n";
    page("", "index", introduction + &body(server.schema(), &example, "Schema")?);
    for (name, one) in server.resources() {
        let (schema, identity) = (one.schema(), one.identity());
        let folder = examples.join("resources").join(name);
        let example = read(&folder.join("resource.tf"))?;
        let text = title(name, "Resource", &schema.description) + &body(schema, &example, "Schema")?;
        let command = std::fs::read_to_string(folder.join("import.sh")).ok();
        page("resources", name, text + &import(name, identity, &example, command.as_deref())?);
    }
    let mut schema_page = |folder: &str, file: &str, kind: &str, name: &str, schema: &Schema| -> Result<()> {
        let example = read(&examples.join(folder).join(name).join(file))?;
        page(folder, name, title(name, kind, &schema.description) + &body(schema, &example, "Schema")?);
        Ok(())
    };
    for (name, one) in server.data_sources() {
        schema_page("data-sources", "data-source.tf", "Data Source", name, one.schema())?;
    }
    for (name, one) in server.ephemeral_resources() {
        schema_page("ephemeral-resources", "ephemeral-resource.tf", "Ephemeral Resource", name, one.schema())?;
    }
    for (name, function) in server.functions() {
        let example = read(&examples.join("functions").join(name).join("function.tf"))?;
        let text = title(name, "function", function.description()) + &signature(name, &**function, &example)?;
        page("functions", name, text);
    }
    Ok(pages)
}

/// The front matter of a page.
fn head(title: &str, description: &str) -> String {
    let first = description.split("\n\n").next().unwrap_or_default();
    format!("---\npage_title: \"{title}\"\nsubcategory: \"\"\ndescription: |-\n  {first}\n---\n\n")
}

fn title(name: &str, kind: &str, description: &str) -> String {
    head(&format!("{name} {kind} - m365"), description) + &format!("# {name} ({kind})\n\n")
}

fn body(schema: &Schema, example: &str, heading: &str) -> Result<String> {
    let mut out = String::new();
    write!(out, "{}\n\n## Example Usage\n\n{}\n## {heading}\n", schema.description, fenced(example))?;
    let mut nested = Vec::new();
    lists(&mut out, schema, "###", "", &mut nested)?;
    while !nested.is_empty() {
        for (path, schema) in std::mem::take(&mut nested) {
            write!(out, "\n<a id=\"{}\"></a>\n### Nested Schema for `{path}`\n", anchor(&path))?;
            let mut inner = Vec::new();
            lists(&mut out, schema, "####", &path, &mut inner)?;
            nested.extend(inner);
        }
    }
    Ok(out)
}

type Belongs = fn(&Attribute) -> bool;

/// The three lists of a schema's attributes; what is nested in them is added to `nested`, by path.
fn lists<'a>(
    out: &mut String,
    schema: &'a Schema,
    level: &str,
    path: &str,
    nested: &mut Vec<(String, &'a Schema)>,
) -> Result<()> {
    let parts: [(&str, Belongs); 3] = [
        ("Required", |one| one.required),
        ("Optional", |one| one.optional),
        ("Read-Only", |one| !one.required && !one.optional),
    ];
    for (heading, belongs) in parts {
        let attributes: Vec<_> = schema.attributes.iter().filter(|(_, one)| belongs(one)).collect();
        if !attributes.is_empty() {
            write!(out, "\n{level} {heading}\n\n")?;
        }
        for (name, attribute) in attributes {
            let whole = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            writeln!(out, "- {}", line(name, attribute, &whole))?;
            if let Shape::Object(inner) | Shape::ObjectList(inner) | Shape::ObjectMap(inner) = &attribute.shape {
                nested.push((whole, inner));
            }
        }
    }
    Ok(())
}

/// One attribute: type, description, and what the schema knows beyond that.
fn line(name: &str, attribute: &Attribute, path: &str) -> String {
    let (kind, below) = match &attribute.shape {
        Shape::Plain(plain) => (type_name(plain), false),
        Shape::Object(_) => ("Attributes".to_owned(), true),
        Shape::ObjectList(_) => ("Attributes List".to_owned(), true),
        Shape::ObjectMap(_) => ("Attributes Map".to_owned(), true),
    };
    let flags = [(attribute.sensitive, "Sensitive"), (attribute.deprecated, "Deprecated")];
    let flags = flags.iter().filter(|(on, _)| *on).map(|(_, name)| format!(", {name}"));
    let mut parts = vec![attribute.description.replace("\n\n", " ")];
    let says = |text: &str| attribute.description.contains(text);
    if let Some(choices) = choices(&attribute.checks).filter(|all| !all.iter().all(|one| says(&format!("`{one}`")))) {
        parts.push(format!("One of {}.", choices.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")));
    }
    if let Some(default) = attribute.default.as_ref().filter(|_| !says("efault")) {
        parts.push(format!("Default `{}`.", written(default)));
    }
    if attribute.forces_replacement && !says("eplace") {
        parts.push("A change replaces the resource.".to_owned());
    }
    if below {
        parts.push(format!("(see [below for nested schema](#{}))", anchor(path)));
    }
    format!("`{name}` ({kind}{}) {}", flags.collect::<String>(), parts.join(" "))
}

fn choices(checks: &[Check]) -> Option<&Vec<String>> {
    checks.iter().find_map(|check| match check {
        Check::OneOf(all) => Some(all),
        Check::Each(inner) => choices(inner),
        _ => None,
    })
}

fn anchor(path: &str) -> String {
    format!("nestedatt--{}", path.replace('.', "--"))
}

fn type_name(value_type: &Type) -> String {
    match value_type {
        Type::String => "String".to_owned(),
        Type::Bool => "Boolean".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::List(element) => format!("List of {}", type_name(element)),
        Type::Set(element) => format!("Set of {}", type_name(element)),
        Type::Map(element) => format!("Map of {}", type_name(element)),
        Type::Object(attributes) => {
            let all = attributes.iter().map(|(name, one)| format!("{name}: {}", type_name(one)));
            format!("Object {{ {} }}", all.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A default as it would be configured.
fn written(value: &Dynamic) -> String {
    match value {
        Dynamic::Null | Dynamic::Unknown(_) => "null".to_owned(),
        Dynamic::Bool(value) => value.to_string(),
        Dynamic::Number(number) => number.as_str().to_owned(),
        Dynamic::String(text) => format!("{text:?}"),
        Dynamic::List(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Dynamic::Map(items) => {
            let all = items.iter().map(|(name, value)| format!("{name} = {}", written(value)));
            format!("{{ {} }}", all.collect::<Vec<_>>().join(", "))
        }
    }
}

fn fenced(example: &str) -> String {
    format!("```terraform\n{}\n```\n", example.trim_end())
}

/// How an object that exists is imported: by id, and by identity.
fn import(name: &str, identity: &Schema, example: &str, command: Option<&str>) -> Result<String> {
    let address = address(name, example).with_context(|| format!("the example of {name} declares none"))?;
    let mut out = String::new();
    write!(out, "\n## Import\n\nThe id has the form `{}`.\n", import_form(identity))?;
    if let Some(command) = command {
        let id = command.split_whitespace().last().unwrap_or_default();
        write!(out, "\n```shell\n{}\n```\n\n", command.trim_end())?;
        write!(out, "With a block:\n\n{}", fenced(&format!("import {{\n  to = {address}\n  id = \"{id}\"\n}}")))?;
    }
    let values = identity.order.iter().filter(|name| identity.attributes.get(*name).is_some_and(|one| one.required));
    let values: String = values.map(|name| format!("    {name} = {:?}\n", sample(name))).collect();
    let block = format!("import {{\n  to = {address}\n  identity = {{\n{values}  }}\n}}");
    write!(out, "\nTerraform and OpenTofu since 1.12 also take the identity:\n\n{}", fenced(&block))?;
    write!(out, "\n### Identity Schema\n")?;
    lists(&mut out, identity, "####", "", &mut Vec::new())?;
    Ok(out)
}

fn sample(attribute: &str) -> &'static str {
    if attribute.ends_with("id") { "11111111-2222-3333-4444-555555555555" } else { "example" }
}

/// Address of the first object of the type that an example declares.
fn address(name: &str, example: &str) -> Option<String> {
    let label = example.split_once(&format!("resource \"{name}\" \""))?.1.split('"').next()?;
    Some(format!("{name}.{label}"))
}

fn signature(name: &str, function: &dyn ServedFunction, example: &str) -> Result<String> {
    let mut out = String::new();
    let all = || function.parameters().iter().chain(function.variadic());
    let arguments: Vec<_> =
        all().map(|one| format!("{} {}", one.name, type_name(&one.value_type).to_lowercase())).collect();
    let more = if function.variadic().is_some() { "..." } else { "" };
    write!(out, "{}\n\n## Example Usage\n\n{}\n## Signature\n\n", function.description(), fenced(example))?;
    let returns = type_name(function.returns()).to_lowercase();
    write!(out, "```text\n{name}({}{more}) {returns}\n```\n\n## Arguments\n\n", arguments.join(", "))?;
    for (number, parameter) in all().enumerate() {
        let kind = type_name(&parameter.value_type);
        writeln!(out, "{}. `{}` ({kind}) {}", number + 1, parameter.name, parameter.description)?;
    }
    Ok(out)
}

/// A guide with its generated parts made anew: `<!-- generated: NAME -->` up to `<!-- end -->`.
fn filled(text: &str) -> Result<String> {
    const END: &str = "<!-- end -->";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- generated: ") {
        let (name, after) = after.split_once(" -->").context("a generated part has no name")?;
        let (_, after) = after.split_once(END).with_context(|| format!("the generated part {name} has no end"))?;
        write!(out, "{before}<!-- generated: {name} -->\n\n{}\n{END}", generated(name)?)?;
        rest = after;
    }
    Ok(out + rest)
}

fn generated(name: &str) -> Result<String> {
    let mut out = String::new();
    match name {
        "operations" => {
            out += "| to | the identity needs |\n| --- | --- |\n";
            for one in OPERATIONS {
                writeln!(out, "| {} | {} |", one.purpose, one.permission())?;
            }
        }
        "duties" => {
            out += "| the run may | application permissions of Microsoft Graph |\n| --- | --- |\n";
            for one in DUTIES {
                let roles = one.roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>();
                writeln!(out, "| {} | {} |", one.purpose, roles.join(", "))?;
            }
        }
        "findings" => {
            out += "| kind | severity | meaning |\n| --- | --- | --- |\n";
            for sort in crate::catalog::checks::Sort::ALL {
                writeln!(out, "| `{}` | {} | {} |", sort.name, sort.severity, sort.meaning)?;
            }
        }
        other => bail!("nothing generates a part named {other}"),
    }
    Ok(out)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Names of the files in a folder; none where it is not there.
fn files(folder: &Path) -> Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<std::io::Result<_>>().with_context(|| format!("{} cannot be listed", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_keeps_its_own_text_around_what_is_generated() {
        let text = "before\n<!-- generated: duties -->\nold\n<!-- end -->\nafter\n";
        let once = filled(text).unwrap();
        assert!(once.starts_with("before\n<!-- generated: duties -->\n\n| the run may |"), "{once}");
        assert!(once.ends_with("\n<!-- end -->\nafter\n") && !once.contains("old"), "{once}");
        assert_eq!(filled(&once).unwrap(), once);
        assert!(filled("<!-- generated: duties -->").is_err() && filled("<!-- generated: x --><!-- end -->").is_err());
    }

    #[test]
    fn defaults_are_written_as_they_would_be_configured() {
        let list = Dynamic::List(vec!["a".into(), Dynamic::Bool(true)]);
        assert_eq!(written(&Dynamic::Map([("x".to_owned(), list)].into())), "{ x = [\"a\", true] }");
    }

    #[test]
    fn the_first_object_of_an_example_is_what_is_imported() {
        let example = "resource \"m365_a\" \"one\" {}\nresource \"m365_b\" \"two\" {}";
        assert_eq!(address("m365_b", example).as_deref(), Some("m365_b.two"));
        assert_eq!(address("m365_c", example), None);
    }
}
