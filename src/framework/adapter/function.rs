//! Functions as the protocol calls them. Arguments are the fields of a struct, in their order.

use super::call::{does_not_fit, encode, panic_text};
use crate::framework::codec::{CodecError, from_dynamic};
use crate::framework::diagnostic::{Diagnostic, Diagnostics, Path, Result, Step};
use crate::framework::dynamic::{Dynamic, Type};
use crate::framework::model::{schema_of, shape_of};
use crate::framework::resource::Function;
use crate::framework::schema::{Attribute, Schema};
use crate::framework::{checks, planning};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A function as the protocol sees it.
pub trait ServedFunction: Send + Sync {
    /// In Markdown; its first paragraph stands alone.
    fn description(&self) -> &str;
    /// In order.
    fn parameters(&self) -> &[Parameter];
    /// Takes the rest of the arguments.
    fn variadic(&self) -> Option<&Parameter>;
    /// Type of the result.
    fn returns(&self) -> &Type;
    /// The result for these arguments. Fails with the number of the argument at fault, counted from 0, where one is.
    fn call(&self, arguments: Vec<Dynamic>) -> std::result::Result<Dynamic, (String, Option<i64>)>;
}

/// One parameter of a function. Unknown arguments are not passed: the CLI answers those itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// An HCL identifier.
    pub name: String,
    /// In Markdown.
    pub description: String,
    /// Type of the argument.
    pub value_type: Type,
    /// Whether `null` may be passed.
    pub nullable: bool,
}

pub(in crate::framework) struct FunctionAdapter<F> {
    schema: Schema,
    parameters: Vec<Parameter>,
    variadic: Option<Parameter>,
    returns: Type,
    function: PhantomData<fn() -> F>,
}

impl<F: Function> FunctionAdapter<F> {
    pub(in crate::framework) fn new() -> std::result::Result<Self, String> {
        let schema = schema_of::<F::Arguments>()?;
        let ordered = schema.order.iter().filter_map(|name| Some((name, schema.attributes.get(name)?)));
        let mut parameters: Vec<_> = ordered.map(|(name, one)| parameter(name, one)).collect();
        let variadic = match parameters.pop_if(|_| F::VARIADIC) {
            Some(Parameter { value_type: Type::List(element), name, description, .. }) => {
                Some(Parameter { name, description, value_type: *element, nullable: false })
            }
            Some(other) => {
                return Err(format!("{}: `{}` takes the rest of the arguments and is no list", F::NAME, other.name));
            }
            None => None,
        };
        let returns = shape_of::<F::Output>()?.value_type();
        Ok(Self { schema, parameters, variadic, returns, function: PhantomData })
    }

    /// The arguments by name. The protocol has counted them.
    fn named(&self, mut arguments: Vec<Dynamic>) -> Dynamic {
        let rest = arguments.split_off(arguments.len().min(self.parameters.len()));
        let rest = self.variadic.iter().map(|one| (one.name.clone(), Dynamic::List(rest.clone())));
        Dynamic::Map(self.parameters.iter().map(|one| one.name.clone()).zip(arguments).chain(rest).collect())
    }

    fn answer(&self, arguments: Vec<Dynamic>) -> Result<Dynamic> {
        let arguments = self.named(arguments);
        let mut found = Diagnostics(checks::check(&self.schema, &arguments));
        found.0.extend(checks::references(&self.schema, &arguments));
        found.into_result()?;
        let arguments = match from_dynamic(&planning::with_defaults(&self.schema, &arguments)) {
            Ok(arguments) => arguments,
            // A part of a collection is not known yet.
            Err(CodecError::Unknown) => return Ok(Dynamic::unknown()),
            Err(why) => return Err(does_not_fit(why)),
        };
        encode(&F::call(arguments)?)
    }

    /// The argument that a path begins with: its number, counted from 0.
    fn number(&self, path: &Path) -> Option<i64> {
        let (Step::Attribute(name), rest) = path.0.split_first()? else { return None };
        let place = i64::try_from(self.schema.order.iter().position(|one| one == name)?).ok()?;
        match rest.first() {
            Some(Step::Index(index)) if self.variadic.as_ref().is_some_and(|one| one.name == *name) => {
                place.checked_add(*index)
            }
            _ => Some(place),
        }
    }
}

fn parameter(name: &str, attribute: &Attribute) -> Parameter {
    Parameter {
        name: name.to_owned(),
        description: attribute.description.clone(),
        value_type: attribute.shape.value_type(),
        nullable: !attribute.required,
    }
}

impl<F: Function> ServedFunction for FunctionAdapter<F> {
    fn description(&self) -> &str {
        &self.schema.description
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn variadic(&self) -> Option<&Parameter> {
        self.variadic.as_ref()
    }

    fn returns(&self) -> &Type {
        &self.returns
    }

    fn call(&self, arguments: Vec<Dynamic>) -> std::result::Result<Dynamic, (String, Option<i64>)> {
        let called = catch_unwind(AssertUnwindSafe(|| self.answer(arguments)));
        let found = match called {
            Ok(Ok(result)) => return Ok(result),
            Ok(Err(found)) => found.0,
            Err(panic) => vec![Diagnostic::bug(panic_text(&*panic))],
        };
        let place = found.iter().find_map(|one| self.number(one.path.as_ref()?));
        // A function's error is one text.
        let text = found.iter().map(|one| format!("{}.\n\n{}", one.summary, one.detail).trim_end().to_owned());
        Err((text.collect::<Vec<_>>().join("\n\n"), place))
    }
}
