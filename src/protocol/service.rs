//! The provider service: each RPC decodes, calls the plugin, encodes. Failures are diagnostics, never a gRPC status: a status shows
//! as a poor message, and loses the state of what was made.

use super::convert::{self, capabilities, diagnostics};
use super::generated::tfplugin6 as wire;
use super::generated::tfplugin6::provider_server::Provider;
use super::msgpack;
use crate::framework::plugin::{Apply, ImportTarget, Plan, Read};
use crate::framework::{Diagnostic, Dynamic, Plugin, Schema, Type, from_json_text, panic_text};
use futures_util::FutureExt;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming, async_trait};

type Answer<T> = Result<Response<T>, Status>;
/// A value that does not decode, or a name that is not served: a fault on either side, told as a diagnostic.
type Decoded<T> = Result<T, Diagnostic>;

/// Serves one plugin.
pub(super) struct Service {
    plugin: Arc<dyn Plugin>,
}

impl Service {
    pub(super) fn new(plugin: Arc<dyn Plugin>) -> Self {
        Self { plugin }
    }

    fn resource(&self, name: &str) -> Decoded<&(Schema, Schema)> {
        self.plugin.schemas().resources.get(name).ok_or_else(|| unknown_name("resource", name))
    }

    fn data_source(&self, name: &str) -> Decoded<&Schema> {
        self.plugin.schemas().data_sources.get(name).ok_or_else(|| unknown_name("data source", name))
    }

    fn ephemeral(&self, name: &str) -> Decoded<&Schema> {
        self.plugin.schemas().ephemeral_resources.get(name).ok_or_else(|| unknown_name("ephemeral resource", name))
    }

    async fn answer_open(
        &self,
        request: wire::open_ephemeral_resource::Request,
    ) -> Decoded<wire::open_ephemeral_resource::Response> {
        let schema = self.ephemeral(&request.type_name)?;
        let config = decode(request.config, &schema.object_type())?;
        let (result, found) = self.plugin.open_ephemeral(&request.type_name, config).await;
        Ok(wire::open_ephemeral_resource::Response {
            result: encode(&result, schema)?,
            diagnostics: diagnostics(found),
            ..Default::default()
        })
    }

    async fn answer_read(&self, request: wire::read_resource::Request) -> Decoded<wire::read_resource::Response> {
        let (schema, identity) = self.resource(&request.type_name)?;
        let read = Read {
            state: decode(request.current_state, &schema.object_type())?,
            private: request.private.to_vec(),
            identity: decode_identity(request.current_identity, identity)?,
        };
        let answer = self.plugin.read(&request.type_name, read).await;
        Ok(wire::read_resource::Response {
            new_state: encode(&answer.state, schema)?,
            private: answer.private.into(),
            new_identity: encode_identity(&answer.identity, identity)?,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn answer_plan(
        &self,
        request: wire::plan_resource_change::Request,
    ) -> Decoded<wire::plan_resource_change::Response> {
        let (schema, identity) = self.resource(&request.type_name)?;
        let shape = schema.object_type();
        let plan = Plan {
            prior: decode(request.prior_state, &shape)?,
            proposed: decode(request.proposed_new_state, &shape)?,
            config: decode(request.config, &shape)?,
            private: request.prior_private.to_vec(),
            identity: decode_identity(request.prior_identity, identity)?,
        };
        let answer = self.plugin.plan(&request.type_name, plan).await;
        Ok(wire::plan_resource_change::Response {
            planned_state: encode(&answer.planned, schema)?,
            requires_replace: answer.requires_replace.iter().map(convert::path).collect(),
            planned_private: answer.private.into(),
            planned_identity: encode_identity(&answer.identity, identity)?,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn answer_apply(
        &self,
        request: wire::apply_resource_change::Request,
    ) -> Decoded<wire::apply_resource_change::Response> {
        let (schema, identity) = self.resource(&request.type_name)?;
        let shape = schema.object_type();
        let apply = Apply {
            prior: decode(request.prior_state, &shape)?,
            planned: decode(request.planned_state, &shape)?,
            config: decode(request.config, &shape)?,
            private: request.planned_private.to_vec(),
            identity: decode_identity(request.planned_identity, identity)?,
        };
        let answer = self.plugin.apply(&request.type_name, apply).await;
        Ok(wire::apply_resource_change::Response {
            new_state: encode(&answer.state, schema)?,
            private: answer.private.into(),
            new_identity: encode_identity(&answer.identity, identity)?,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn answer_import(
        &self,
        request: wire::import_resource_state::Request,
    ) -> Decoded<wire::import_resource_state::Response> {
        let (schema, identity) = self.resource(&request.type_name)?;
        let target = match decode_identity(request.identity, identity)? {
            Dynamic::Null => ImportTarget::Id(request.id),
            named => ImportTarget::Identity(named),
        };
        let answer = self.plugin.import(&request.type_name, target).await;
        let imported = wire::import_resource_state::ImportedResource {
            type_name: request.type_name,
            state: encode(&answer.state, schema)?,
            private: answer.private.into(),
            identity: encode_identity(&answer.identity, identity)?,
        };
        let imported_resources = if answer.state.is_null() { Vec::new() } else { vec![imported] };
        Ok(wire::import_resource_state::Response {
            imported_resources,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn answer_upgrade(
        &self,
        request: wire::upgrade_resource_state::Request,
    ) -> Decoded<wire::upgrade_resource_state::Response> {
        let (schema, _) = self.resource(&request.type_name)?;
        let stored = stored_json(request.raw_state)?;
        let (state, found) = self.plugin.upgrade(&request.type_name, request.version, &stored).await;
        Ok(wire::upgrade_resource_state::Response {
            upgraded_state: encode(&state, schema)?,
            diagnostics: diagnostics(found),
        })
    }

    async fn answer_upgrade_identity(
        &self,
        request: wire::upgrade_resource_identity::Request,
    ) -> Decoded<wire::upgrade_resource_identity::Response> {
        let (_, identity) = self.resource(&request.type_name)?;
        let stored = stored_json(request.raw_identity)?;
        let (upgraded, found) = self.plugin.upgrade_identity(&request.type_name, request.version, &stored).await;
        Ok(wire::upgrade_resource_identity::Response {
            upgraded_identity: encode_identity(&upgraded, identity)?,
            diagnostics: diagnostics(found),
        })
    }

    async fn answer_data_source(
        &self,
        request: wire::read_data_source::Request,
    ) -> Decoded<wire::read_data_source::Response> {
        let schema = self.data_source(&request.type_name)?;
        let config = decode(request.config, &schema.object_type())?;
        let (state, found) = self.plugin.read_data_source(&request.type_name, config).await;
        Ok(wire::read_data_source::Response {
            state: encode(&state, schema)?,
            diagnostics: diagnostics(found),
            ..Default::default()
        })
    }

    fn answer_function(
        &self,
        request: &wire::call_function::Request,
    ) -> Result<wire::DynamicValue, wire::FunctionError> {
        let plain = |text: String| wire::FunctionError { text, function_argument: None };
        let Some(function) = self.plugin.schemas().functions.get(&request.name) else {
            return Err(plain(format!("This provider has no function `{}`.", request.name)));
        };
        let shapes = function
            .parameters
            .iter()
            .map(|one| &one.value_type)
            .chain(function.variadic.iter().map(|one| &one.value_type).cycle());
        let arguments = request
            .arguments
            .iter()
            .zip(shapes)
            .map(|(argument, shape)| decode(Some(argument.clone()), shape))
            .collect::<Decoded<Vec<_>>>();
        let arguments = arguments.map_err(|found| plain(found.summary))?;
        match self.plugin.call_function(&request.name, arguments) {
            Ok(result) => encode_as(&result, &function.returns).map_err(|found| plain(found.summary)),
            Err((text, function_argument)) => Err(wire::FunctionError { text, function_argument }),
        }
    }
}

fn unknown_name(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::error(format!("This provider has no {kind} `{name}`"))
}

/// Absent and empty both mean null.
fn decode(value: Option<wire::DynamicValue>, shape: &Type) -> Decoded<Dynamic> {
    let Some(value) = value else { return Ok(Dynamic::Null) };
    if !value.msgpack.is_empty() {
        return msgpack::decode(&value.msgpack, shape)
            .map_err(|why| Diagnostic::bug(format!("a value from the CLI does not decode: {why}")));
    }
    if value.json.is_empty() {
        return Ok(Dynamic::Null);
    }
    from_json_text(shape, &value.json)
        .map_err(|why| Diagnostic::bug(format!("a value from the CLI does not decode: {why}")))
}

fn decode_identity(identity: Option<wire::ResourceIdentityData>, schema: &Schema) -> Decoded<Dynamic> {
    decode(identity.and_then(|identity| identity.identity_data), &schema.object_type())
}

fn encode(value: &Dynamic, schema: &Schema) -> Decoded<Option<wire::DynamicValue>> {
    encode_as(value, &schema.object_type()).map(Some)
}

fn encode_as(value: &Dynamic, shape: &Type) -> Decoded<wire::DynamicValue> {
    let msgpack = msgpack::encode(value, shape)
        .map_err(|why| Diagnostic::bug(format!("a value for the CLI does not fit its schema: {why}")))?;
    Ok(wire::DynamicValue { msgpack: msgpack.into(), ..Default::default() })
}

fn encode_identity(identity: &Dynamic, schema: &Schema) -> Decoded<Option<wire::ResourceIdentityData>> {
    if identity.is_null() {
        return Ok(None);
    }
    Ok(Some(wire::ResourceIdentityData { identity_data: encode(identity, schema)? }))
}

fn stored_json(raw: Option<wire::RawState>) -> Decoded<Vec<u8>> {
    match raw {
        Some(raw) if !raw.json.is_empty() => Ok(raw.json.to_vec()),
        _ => Err(Diagnostic::error("The stored state is of a format that is too old")
            .help("It was written by a CLI before version 0.12, before this provider existed.")),
    }
}

/// A response that carries diagnostics.
trait Told: Default {
    fn told(found: Vec<Diagnostic>) -> Self;
}

macro_rules! told {
    ($($module:ident),* $(,)?) => {$(
        impl Told for wire::$module::Response {
            #[allow(clippy::needless_update, reason = "some have no other field")]
            fn told(found: Vec<Diagnostic>) -> Self {
                Self { diagnostics: diagnostics(found), ..Default::default() }
            }
        }
    )*};
}
told![
    validate_provider_config,
    validate_resource_config,
    validate_data_resource_config,
    validate_ephemeral_resource_config,
    validate_list_resource_config,
    validate_action_config,
    upgrade_resource_state,
    upgrade_resource_identity,
    configure_provider,
    read_resource,
    plan_resource_change,
    apply_resource_change,
    import_resource_state,
    move_resource_state,
    read_data_source,
    generate_resource_config,
    open_ephemeral_resource,
    renew_ephemeral_resource,
    close_ephemeral_resource,
    plan_action,
];

/// Runs a handler; what fails or panics in it becomes a diagnostic.
async fn safe<T: Told>(handler: impl Future<Output = Decoded<T>>) -> Answer<T> {
    let told = |found| T::told(vec![found]);
    let answer = match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(found)) => told(found),
        Err(panic) => told(Diagnostic::bug(panic_text(&*panic))),
    };
    Ok(Response::new(answer))
}

fn refused<T: Told>(what: &str, name: &str) -> Answer<T> {
    Ok(Response::new(T::told(vec![unknown_name(what, name)])))
}

fn unimplemented<T>() -> Answer<T> {
    Err(Status::unimplemented("not offered by this provider"))
}

type NoStream<T> = tokio_stream::Empty<Result<T, Status>>;

#[async_trait]
impl Provider for Service {
    async fn get_metadata(&self, _: Request<wire::get_metadata::Request>) -> Answer<wire::get_metadata::Response> {
        use wire::get_metadata::{DataSourceMetadata, EphemeralMetadata, FunctionMetadata, ResourceMetadata};
        let schemas = self.plugin.schemas();
        Ok(Response::new(wire::get_metadata::Response {
            server_capabilities: Some(capabilities()),
            resources: schemas.resources.keys().map(|name| ResourceMetadata { type_name: name.clone() }).collect(),
            data_sources: schemas
                .data_sources
                .keys()
                .map(|name| DataSourceMetadata { type_name: name.clone() })
                .collect(),
            ephemeral_resources: schemas
                .ephemeral_resources
                .keys()
                .map(|name| EphemeralMetadata { type_name: name.clone() })
                .collect(),
            functions: schemas.functions.keys().map(|name| FunctionMetadata { name: name.clone() }).collect(),
            ..Default::default()
        }))
    }

    async fn get_provider_schema(
        &self,
        _: Request<wire::get_provider_schema::Request>,
    ) -> Answer<wire::get_provider_schema::Response> {
        let schemas = self.plugin.schemas();
        Ok(Response::new(wire::get_provider_schema::Response {
            provider: Some(convert::schema(&schemas.provider)),
            resource_schemas: schemas
                .resources
                .iter()
                .map(|(name, (schema, _))| (name.clone(), convert::schema(schema)))
                .collect(),
            data_source_schemas: schemas
                .data_sources
                .iter()
                .map(|(name, schema)| (name.clone(), convert::schema(schema)))
                .collect(),
            ephemeral_resource_schemas: schemas
                .ephemeral_resources
                .iter()
                .map(|(name, schema)| (name.clone(), convert::schema(schema)))
                .collect(),
            functions: convert::functions(&schemas.functions),
            server_capabilities: Some(capabilities()),
            ..Default::default()
        }))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<wire::get_resource_identity_schemas::Request>,
    ) -> Answer<wire::get_resource_identity_schemas::Response> {
        let schemas = &self.plugin.schemas().resources;
        let identity_schemas: HashMap<_, _> =
            schemas.iter().map(|(name, (_, identity))| (name.clone(), convert::identity_schema(identity))).collect();
        Ok(Response::new(wire::get_resource_identity_schemas::Response { identity_schemas, ..Default::default() }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<wire::validate_provider_config::Request>,
    ) -> Answer<wire::validate_provider_config::Response> {
        safe(async {
            let config = decode(request.into_inner().config, &self.plugin.schemas().provider.object_type())?;
            Ok(Told::told(self.plugin.validate_provider(config).await))
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answer<wire::configure_provider::Response> {
        safe(async {
            let config = decode(request.into_inner().config, &self.plugin.schemas().provider.object_type())?;
            Ok(Told::told(self.plugin.configure(config).await))
        })
        .await
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answer<wire::validate_resource_config::Response> {
        let request = request.into_inner();
        safe(async {
            let config = decode(request.config, &self.resource(&request.type_name)?.0.object_type())?;
            Ok(Told::told(self.plugin.validate_resource(&request.type_name, config).await))
        })
        .await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<wire::validate_data_resource_config::Request>,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        let request = request.into_inner();
        safe(async {
            let config = decode(request.config, &self.data_source(&request.type_name)?.object_type())?;
            Ok(Told::told(self.plugin.validate_data_source(&request.type_name, config).await))
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        safe(self.answer_upgrade(request.into_inner())).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<wire::upgrade_resource_identity::Request>,
    ) -> Answer<wire::upgrade_resource_identity::Response> {
        safe(self.answer_upgrade_identity(request.into_inner())).await
    }

    async fn read_resource(
        &self,
        request: Request<wire::read_resource::Request>,
    ) -> Answer<wire::read_resource::Response> {
        safe(self.answer_read(request.into_inner())).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answer<wire::plan_resource_change::Response> {
        safe(self.answer_plan(request.into_inner())).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answer<wire::apply_resource_change::Response> {
        safe(self.answer_apply(request.into_inner())).await
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answer<wire::import_resource_state::Response> {
        safe(self.answer_import(request.into_inner())).await
    }

    async fn move_resource_state(
        &self,
        request: Request<wire::move_resource_state::Request>,
    ) -> Answer<wire::move_resource_state::Response> {
        let request = request.into_inner();
        let found = Diagnostic::error(format!("{} cannot be moved to {}", request.source_type_name, request.target_type_name))
            .help("This provider does not take over the state of other resource types. Remove the object from the state (`state rm`) and import it under its new type.");
        Ok(Response::new(Told::told(vec![found])))
    }

    async fn read_data_source(
        &self,
        request: Request<wire::read_data_source::Request>,
    ) -> Answer<wire::read_data_source::Response> {
        safe(self.answer_data_source(request.into_inner())).await
    }

    async fn get_functions(&self, _: Request<wire::get_functions::Request>) -> Answer<wire::get_functions::Response> {
        let functions = convert::functions(&self.plugin.schemas().functions);
        Ok(Response::new(wire::get_functions::Response { functions, ..Default::default() }))
    }

    async fn call_function(
        &self,
        request: Request<wire::call_function::Request>,
    ) -> Answer<wire::call_function::Response> {
        let request = request.into_inner();
        let called = std::panic::catch_unwind(AssertUnwindSafe(|| self.answer_function(&request)));
        let (result, error) = match called {
            Ok(Ok(result)) => (Some(result), None),
            Ok(Err(error)) => (None, Some(error)),
            Err(panic) => (
                None,
                Some(wire::FunctionError {
                    text: Diagnostic::bug(panic_text(&*panic)).summary,
                    function_argument: None,
                }),
            ),
        };
        Ok(Response::new(wire::call_function::Response { result, error }))
    }

    async fn stop_provider(&self, _: Request<wire::stop_provider::Request>) -> Answer<wire::stop_provider::Response> {
        self.plugin.stop();
        Ok(Response::new(wire::stop_provider::Response::default()))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<wire::validate_ephemeral_resource_config::Request>,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        let request = request.into_inner();
        safe(async {
            let config = decode(request.config, &self.ephemeral(&request.type_name)?.object_type())?;
            Ok(Told::told(self.plugin.validate_ephemeral(&request.type_name, config).await))
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<wire::open_ephemeral_resource::Request>,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        safe(self.answer_open(request.into_inner())).await
    }

    /// Nothing asks for it: no result of ours runs out while the CLI needs it.
    async fn renew_ephemeral_resource(
        &self,
        request: Request<wire::renew_ephemeral_resource::Request>,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        safe(async { self.ephemeral(&request.into_inner().type_name).map(|_| Default::default()) }).await
    }

    /// Nothing is left behind that would have to be closed.
    async fn close_ephemeral_resource(
        &self,
        request: Request<wire::close_ephemeral_resource::Request>,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        safe(async { self.ephemeral(&request.into_inner().type_name).map(|_| Default::default()) }).await
    }

    async fn generate_resource_config(
        &self,
        request: Request<wire::generate_resource_config::Request>,
    ) -> Answer<wire::generate_resource_config::Response> {
        refused("configuration to generate for", &request.into_inner().type_name)
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<wire::validate_list_resource_config::Request>,
    ) -> Answer<wire::validate_list_resource_config::Response> {
        refused("list resource", &request.into_inner().type_name)
    }

    async fn validate_action_config(
        &self,
        request: Request<wire::validate_action_config::Request>,
    ) -> Answer<wire::validate_action_config::Response> {
        refused("action", &request.into_inner().type_name)
    }

    async fn plan_action(&self, request: Request<wire::plan_action::Request>) -> Answer<wire::plan_action::Response> {
        refused("action", &request.into_inner().action_type)
    }

    type ListResourceStream = NoStream<wire::list_resource::Event>;
    type InvokeActionStream = NoStream<wire::invoke_action::Event>;
    type ReadStateBytesStream = NoStream<wire::read_state_bytes::Response>;

    async fn list_resource(&self, _: Request<wire::list_resource::Request>) -> Answer<Self::ListResourceStream> {
        unimplemented()
    }

    async fn invoke_action(&self, _: Request<wire::invoke_action::Request>) -> Answer<Self::InvokeActionStream> {
        unimplemented()
    }

    async fn read_state_bytes(
        &self,
        _: Request<wire::read_state_bytes::Request>,
    ) -> Answer<Self::ReadStateBytesStream> {
        unimplemented()
    }

    async fn write_state_bytes(
        &self,
        _: Request<Streaming<wire::write_state_bytes::RequestChunk>>,
    ) -> Answer<wire::write_state_bytes::Response> {
        unimplemented()
    }

    async fn validate_state_store_config(
        &self,
        _: Request<wire::validate_state_store::Request>,
    ) -> Answer<wire::validate_state_store::Response> {
        unimplemented()
    }

    async fn configure_state_store(
        &self,
        _: Request<wire::configure_state_store::Request>,
    ) -> Answer<wire::configure_state_store::Response> {
        unimplemented()
    }

    async fn lock_state(&self, _: Request<wire::lock_state::Request>) -> Answer<wire::lock_state::Response> {
        unimplemented()
    }

    async fn unlock_state(&self, _: Request<wire::unlock_state::Request>) -> Answer<wire::unlock_state::Response> {
        unimplemented()
    }

    async fn get_states(&self, _: Request<wire::get_states::Request>) -> Answer<wire::get_states::Response> {
        unimplemented()
    }

    async fn delete_state(&self, _: Request<wire::delete_state::Request>) -> Answer<wire::delete_state::Response> {
        unimplemented()
    }
}
