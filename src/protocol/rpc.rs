//! The provider service: each RPC decodes, calls what is served by that name, encodes. Failures are diagnostics, never a gRPC status: a
//! status shows as a poor message, and loses the state of what was made.

use super::convert::{
    self, capabilities, decode, decode_identity, diagnostics, encode, encode_identity, encode_state, stored_json,
    timestamp,
};
use super::generated::tfplugin6 as wire;
use super::generated::tfplugin6::provider_server;
use super::safe::{Answer, Decoded, Told, safe};
use crate::framework::requests::{Apply, ImportTarget, Plan, Read};
use crate::framework::{Diagnostic, Dynamic, Provider, Server};
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

/// Serves one provider.
pub(super) struct Rpc<P: Provider>(pub Arc<Server<P>>);

impl<P: Provider> Rpc<P> {
    async fn read(&self, request: wire::read_resource::Request) -> Decoded<wire::read_resource::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let (shape, identity) = (resource.schema().object_type(), resource.identity().object_type());
        let read = Read {
            state: decode(request.current_state, &shape)?,
            private: request.private.to_vec(),
            identity: decode_identity(request.current_identity, &identity)?,
        };
        let answer = resource.read(read, self.0.call()).await;
        Ok(wire::read_resource::Response {
            new_state: Some(encode(&answer.state, &shape)?),
            private: answer.private.into(),
            new_identity: encode_identity(&answer.identity, &identity)?,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn plan(
        &self,
        request: wire::plan_resource_change::Request,
    ) -> Decoded<wire::plan_resource_change::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let (shape, identity) = (resource.schema().object_type(), resource.identity().object_type());
        let prior = decode(request.prior_state, &shape)?;
        // The second plan of a create, in apply, is given what the first one remembered: by Terraform since 1.16.
        let again = prior.is_null() && !request.planned_private.is_empty();
        let plan = Plan {
            prior,
            config: decode(request.config, &shape)?,
            private: if again { request.planned_private } else { request.prior_private }.to_vec(),
            identity: decode_identity(request.prior_identity, &identity)?,
        };
        let answer = resource.plan(plan, self.0.call()).await;
        Ok(wire::plan_resource_change::Response {
            planned_state: Some(encode(&answer.planned, &shape)?),
            requires_replace: answer.requires_replace.iter().map(convert::path).collect(),
            planned_private: answer.private.into(),
            planned_identity: encode_identity(&answer.identity, &identity)?,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    async fn apply(
        &self,
        request: wire::apply_resource_change::Request,
    ) -> Decoded<wire::apply_resource_change::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let (shape, identity) = (resource.schema().object_type(), resource.identity().object_type());
        let apply = Apply {
            prior: decode(request.prior_state, &shape)?,
            planned: decode(request.planned_state, &shape)?,
            config: decode(request.config, &shape)?,
            private: request.planned_private.to_vec(),
            identity: decode_identity(request.planned_identity, &identity)?,
        };
        let planned = apply.planned.clone();
        let mut answer = resource.apply(apply, self.0.call()).await;
        // From here on nothing may be lost: something has been written.
        let new_state = encode_state(&answer.state, planned, &shape, &mut answer.diagnostics);
        let new_identity = encode_identity(&answer.identity, &identity);
        let new_identity = new_identity.map_err(|found| answer.diagnostics.push(found)).unwrap_or_default();
        Ok(wire::apply_resource_change::Response {
            new_state,
            private: answer.private.into(),
            new_identity,
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    fn import(&self, request: wire::import_resource_state::Request) -> Decoded<wire::import_resource_state::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let (shape, identity) = (resource.schema().object_type(), resource.identity().object_type());
        let target = match decode_identity(request.identity, &identity)? {
            Dynamic::Null => ImportTarget::Id(request.id),
            named => ImportTarget::Identity(named),
        };
        let answer = resource.import(target);
        let imported = wire::import_resource_state::ImportedResource {
            type_name: request.type_name,
            state: Some(encode(&answer.state, &shape)?),
            private: answer.private.into(),
            identity: encode_identity(&answer.identity, &identity)?,
        };
        Ok(wire::import_resource_state::Response {
            imported_resources: if answer.state.is_null() { Vec::new() } else { vec![imported] },
            diagnostics: diagnostics(answer.diagnostics),
            ..Default::default()
        })
    }

    fn upgrade(
        &self,
        request: wire::upgrade_resource_state::Request,
    ) -> Decoded<wire::upgrade_resource_state::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let stored = stored_json(request.raw_state)?;
        Ok(match resource.upgrade(request.version, &stored, self.0.call()) {
            Ok(state) => wire::upgrade_resource_state::Response {
                upgraded_state: Some(encode(&state, &resource.schema().object_type())?),
                diagnostics: Vec::new(),
            },
            Err(found) => Told::told(found.0),
        })
    }

    fn upgrade_identity(
        &self,
        request: wire::upgrade_resource_identity::Request,
    ) -> Decoded<wire::upgrade_resource_identity::Response> {
        let resource = self.0.resource(&request.type_name)?;
        let stored = stored_json(request.raw_identity)?;
        Ok(match resource.upgrade_identity(request.version, &stored) {
            Ok(identity) => wire::upgrade_resource_identity::Response {
                upgraded_identity: encode_identity(&identity, &resource.identity().object_type())?,
                diagnostics: Vec::new(),
            },
            Err(found) => Told::told(found.0),
        })
    }

    async fn read_data(&self, request: wire::read_data_source::Request) -> Decoded<wire::read_data_source::Response> {
        let source = self.0.data_source(&request.type_name)?;
        let shape = source.schema().object_type();
        let (state, found) = source.read(decode(request.config, &shape)?, self.0.call()).await;
        Ok(wire::read_data_source::Response {
            state: Some(encode(&state, &shape)?),
            diagnostics: diagnostics(found),
            ..Default::default()
        })
    }

    async fn open(
        &self,
        request: wire::open_ephemeral_resource::Request,
    ) -> Decoded<wire::open_ephemeral_resource::Response> {
        let resource = self.0.ephemeral_resource(&request.type_name)?;
        let shape = resource.schema().object_type();
        let (opened, found) = resource.open(decode(request.config, &shape)?, self.0.call()).await;
        Ok(wire::open_ephemeral_resource::Response {
            result: Some(encode(&opened.result, &shape)?),
            private: Some(opened.private.into()),
            renew_at: opened.renew_at.map(timestamp),
            diagnostics: diagnostics(found),
            ..Default::default()
        })
    }

    async fn renew(
        &self,
        request: wire::renew_ephemeral_resource::Request,
    ) -> Decoded<wire::renew_ephemeral_resource::Response> {
        let resource = self.0.ephemeral_resource(&request.type_name)?;
        let private = request.private.unwrap_or_default().to_vec();
        let (opened, found) = resource.renew(private, self.0.call()).await;
        Ok(wire::renew_ephemeral_resource::Response {
            private: Some(opened.private.into()),
            renew_at: opened.renew_at.map(timestamp),
            diagnostics: diagnostics(found),
        })
    }

    fn function(&self, request: wire::call_function::Request) -> Result<wire::DynamicValue, wire::FunctionError> {
        let plain = |found: Diagnostic| wire::FunctionError { text: found.summary, function_argument: None };
        let function = self.0.function(&request.name).map_err(plain)?;
        let (fixed, rest) = (function.parameters(), function.variadic());
        let passed = request.arguments.len();
        if passed < fixed.len() || (passed > fixed.len() && rest.is_none()) {
            return Err(plain(Diagnostic::bug(format!("{} was called with {passed} arguments", request.name))));
        }
        let shapes = fixed.iter().chain(std::iter::repeat_with(|| rest).flatten());
        let arguments = request.arguments.into_iter().zip(shapes);
        let arguments = arguments.map(|(argument, one)| decode(Some(argument), &one.value_type));
        match function.call(arguments.collect::<Decoded<_>>().map_err(plain)?) {
            Ok(result) => encode(&result, function.returns()).map_err(plain),
            Err((text, function_argument)) => Err(wire::FunctionError { text, function_argument }),
        }
    }
}

fn unimplemented<T>() -> Answer<T> {
    Err(Status::unimplemented("not offered by this provider"))
}

fn no_such(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::error(format!("This provider has no {kind} `{name}`"))
}

#[async_trait]
impl<P: Provider> provider_server::Provider for Rpc<P> {
    async fn get_metadata(&self, _: Request<wire::get_metadata::Request>) -> Answer<wire::get_metadata::Response> {
        use wire::get_metadata::{DataSourceMetadata, EphemeralMetadata, FunctionMetadata, ResourceMetadata};
        let server = &self.0;
        let name = |name: &&'static str| (*name).to_owned();
        Ok(Response::new(wire::get_metadata::Response {
            server_capabilities: Some(capabilities()),
            resources: server.resources().keys().map(|one| ResourceMetadata { type_name: name(one) }).collect(),
            data_sources: server.data_sources().keys().map(|one| DataSourceMetadata { type_name: name(one) }).collect(),
            ephemeral_resources: server
                .ephemeral_resources()
                .keys()
                .map(|one| EphemeralMetadata { type_name: name(one) })
                .collect(),
            functions: server.functions().keys().map(|one| FunctionMetadata { name: name(one) }).collect(),
            ..Default::default()
        }))
    }

    async fn get_provider_schema(
        &self,
        _: Request<wire::get_provider_schema::Request>,
    ) -> Answer<wire::get_provider_schema::Response> {
        let server = &self.0;
        Ok(Response::new(wire::get_provider_schema::Response {
            provider: Some(convert::schema(server.schema())),
            resource_schemas: convert::by_name(server.resources(), |one| convert::schema(one.schema())),
            data_source_schemas: convert::by_name(server.data_sources(), |one| convert::schema(one.schema())),
            ephemeral_resource_schemas: convert::by_name(server.ephemeral_resources(), |one| {
                convert::schema(one.schema())
            }),
            functions: convert::by_name(server.functions(), |one| convert::function(one)),
            server_capabilities: Some(capabilities()),
            ..Default::default()
        }))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<wire::get_resource_identity_schemas::Request>,
    ) -> Answer<wire::get_resource_identity_schemas::Response> {
        let identity_schemas = convert::by_name(self.0.resources(), |one| convert::identity_schema(one.identity()));
        Ok(Response::new(wire::get_resource_identity_schemas::Response { identity_schemas, ..Default::default() }))
    }

    async fn get_functions(&self, _: Request<wire::get_functions::Request>) -> Answer<wire::get_functions::Response> {
        let functions = convert::by_name(self.0.functions(), |one| convert::function(one));
        Ok(Response::new(wire::get_functions::Response { functions, ..Default::default() }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<wire::validate_provider_config::Request>,
    ) -> Answer<wire::validate_provider_config::Response> {
        safe("ValidateProviderConfig", "", async {
            let config = decode(request.into_inner().config, &self.0.schema().object_type())?;
            Ok(Told::told(self.0.validate(&config)))
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answer<wire::configure_provider::Response> {
        safe("ConfigureProvider", "", async {
            let config = decode(request.into_inner().config, &self.0.schema().object_type())?;
            Ok(Told::told(self.0.configure(&config)))
        })
        .await
    }

    async fn stop_provider(&self, _: Request<wire::stop_provider::Request>) -> Answer<wire::stop_provider::Response> {
        self.0.stop();
        Ok(Response::new(wire::stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answer<wire::validate_resource_config::Response> {
        let request = request.into_inner();
        safe("ValidateResourceConfig", &request.type_name, async {
            let resource = self.0.resource(&request.type_name)?;
            let config = decode(request.config, &resource.schema().object_type())?;
            Ok(Told::told(resource.validate(config, self.0.call())))
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("UpgradeResourceState", &name, async { self.upgrade(request) }).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<wire::upgrade_resource_identity::Request>,
    ) -> Answer<wire::upgrade_resource_identity::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("UpgradeResourceIdentity", &name, async { self.upgrade_identity(request) }).await
    }

    async fn read_resource(
        &self,
        request: Request<wire::read_resource::Request>,
    ) -> Answer<wire::read_resource::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("ReadResource", &name, self.read(request)).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answer<wire::plan_resource_change::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("PlanResourceChange", &name, self.plan(request)).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answer<wire::apply_resource_change::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("ApplyResourceChange", &name, self.apply(request)).await
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answer<wire::import_resource_state::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("ImportResourceState", &name, async { self.import(request) }).await
    }

    async fn move_resource_state(
        &self,
        request: Request<wire::move_resource_state::Request>,
    ) -> Answer<wire::move_resource_state::Response> {
        let request = request.into_inner();
        safe("MoveResourceState", &request.target_type_name, async {
            let (from, to) = (&request.source_type_name, &request.target_type_name);
            Err(Diagnostic::error(format!("{from} cannot be moved to {to}"))
                .help("This provider does not take over the state of other resource types. Remove the object from the state (`state rm`) and import it under its new type."))
        })
        .await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<wire::validate_data_resource_config::Request>,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        let request = request.into_inner();
        safe("ValidateDataResourceConfig", &request.type_name, async {
            let source = self.0.data_source(&request.type_name)?;
            let config = decode(request.config, &source.schema().object_type())?;
            Ok(Told::told(source.validate(config, self.0.call())))
        })
        .await
    }

    async fn read_data_source(
        &self,
        request: Request<wire::read_data_source::Request>,
    ) -> Answer<wire::read_data_source::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("ReadDataSource", &name, self.read_data(request)).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<wire::validate_ephemeral_resource_config::Request>,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        let request = request.into_inner();
        safe("ValidateEphemeralResourceConfig", &request.type_name, async {
            let resource = self.0.ephemeral_resource(&request.type_name)?;
            let config = decode(request.config, &resource.schema().object_type())?;
            Ok(Told::told(resource.validate(config, self.0.call())))
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<wire::open_ephemeral_resource::Request>,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("OpenEphemeralResource", &name, self.open(request)).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<wire::renew_ephemeral_resource::Request>,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        let request = request.into_inner();
        let name = request.type_name.clone();
        safe("RenewEphemeralResource", &name, self.renew(request)).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<wire::close_ephemeral_resource::Request>,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        let request = request.into_inner();
        safe("CloseEphemeralResource", &request.type_name, async {
            let resource = self.0.ephemeral_resource(&request.type_name)?;
            let private = request.private.unwrap_or_default().to_vec();
            Ok(Told::told(resource.close(private, self.0.call()).await))
        })
        .await
    }

    async fn call_function(
        &self,
        request: Request<wire::call_function::Request>,
    ) -> Answer<wire::call_function::Response> {
        let request = request.into_inner();
        let name = request.name.clone();
        safe("CallFunction", &name, async {
            Ok(match self.function(request) {
                Ok(result) => wire::call_function::Response { result: Some(result), error: None },
                Err(error) => wire::call_function::Response { result: None, error: Some(error) },
            })
        })
        .await
    }

    async fn generate_resource_config(
        &self,
        request: Request<wire::generate_resource_config::Request>,
    ) -> Answer<wire::generate_resource_config::Response> {
        let name = request.into_inner().type_name;
        safe("GenerateResourceConfig", &name, async { Err(no_such("configuration to generate for", &name)) }).await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<wire::validate_list_resource_config::Request>,
    ) -> Answer<wire::validate_list_resource_config::Response> {
        let name = request.into_inner().type_name;
        safe("ValidateListResourceConfig", &name, async { Err(no_such("list resource", &name)) }).await
    }

    type ListResourceStream = tokio_stream::Empty<Result<wire::list_resource::Event, Status>>;

    async fn list_resource(&self, _: Request<wire::list_resource::Request>) -> Answer<Self::ListResourceStream> {
        unimplemented()
    }
}
