//! The service as a client sees it: gRPC messages in, gRPC messages out, with a provider behind that has every kind of attribute.

use super::generated::tfplugin6 as wire;
use super::generated::tfplugin6::provider_server::ProviderServer;
use super::msgpack;
use super::rpc::Rpc;
use crate::framework::cli_rules::{apply_faults, plan_faults};
use crate::framework::{
    Computed, Context, Dynamic, EphemeralResource, Lease, Provider, Registry, Resource, Result, Schema, Server,
    StoredOf, Type, Value, from_json_text, samples,
};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tonic::codegen::http::uri::PathAndQuery;

/// A resource with every kind of attribute.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Every {
    /// Text.
    text: Option<Value<String>>,
    /// Flag.
    flag: Option<Value<bool>>,
    /// Number.
    number: Option<Value<u64>>,
    /// List.
    list: Option<Value<Vec<String>>>,
    /// Set.
    set: Option<Value<BTreeSet<String>>>,
    /// Map.
    map: Option<Value<BTreeMap<String, String>>>,
    /// Lists by name.
    lists: Option<Value<BTreeMap<String, Vec<String>>>>,
    /// Object.
    object: Option<Value<Inner>>,
    /// Objects by name.
    objects: Option<Value<BTreeMap<String, Inner>>>,
    /// Objects in order.
    ordered: Option<Value<Vec<Inner>>>,
    /// Id.
    id: Computed<String>,
}

/// A nested object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Inner {
    /// Texts.
    texts: Option<BTreeSet<String>>,
}

/// Identity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Key {
    /// Id.
    id: String,
}

impl Resource for Every {
    const NAME: &'static str = "m365_every";
    type Services = ();
    type Key = Key;
    type Private = ();

    async fn create(state: &mut StoredOf<Self>, _: &Context<()>) -> Result<()> {
        state.value.id = "1".to_owned().into();
        state.exists = true;
        Ok(())
    }

    async fn read(_: Key, prior: Option<StoredOf<Self>>, _: &Context<()>) -> Result<Option<StoredOf<Self>>> {
        Ok(prior)
    }

    async fn update(_: &mut StoredOf<Self>, _: StoredOf<Self>, _: &Context<()>) -> Result<()> {
        Ok(())
    }

    async fn delete(_: StoredOf<Self>, _: &Context<()>) -> Result<()> {
        Ok(())
    }
}

/// An ephemeral resource.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Fleeting {
    /// Text.
    text: Option<String>,
    /// Answer.
    answer: Computed<String>,
}

impl EphemeralResource for Fleeting {
    const NAME: &'static str = "m365_fleeting";
    type Services = ();
    type Private = ();

    async fn open(&mut self, _: &mut Lease<()>, _: &Context<()>) -> Result<()> {
        self.answer = "42".to_owned().into();
        Ok(())
    }
}

struct Nothing;

impl Provider for Nothing {
    type Config = Key;
    type Services = ();

    fn configure(&self, _: Key) -> Result<()> {
        Ok(())
    }
}

/// Speaks gRPC to the service, without a socket between.
struct Client {
    service: ProviderServer<Rpc<Nothing>>,
    schema: Schema,
    shape: Type,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    fn new() -> Self {
        let server = Server::new(Nothing, Registry::default().resource::<Every>().ephemeral::<Fleeting>());
        let schema = server.resource(Every::NAME).unwrap().schema().clone();
        let shape = schema.object_type();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { service: ProviderServer::new(Rpc(Arc::new(server))), schema, shape, runtime }
    }

    /// Panics on a status, which a user would see as "Plugin error".
    fn call<Q, A>(&self, method: &str, request: Q) -> A
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let path = PathAndQuery::try_from(format!("/tfplugin6.Provider/{method}")).unwrap();
        self.runtime.block_on(async {
            let mut grpc = tonic::client::Grpc::new(self.service.clone());
            grpc.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<Q, A>::default();
            grpc.unary(tonic::Request::new(request), path, codec).await.unwrap().into_inner()
        })
    }

    fn validate(&self, config: wire::DynamicValue) -> Vec<wire::Diagnostic> {
        let request = wire::validate_resource_config::Request {
            type_name: Every::NAME.to_owned(),
            config: Some(config),
            ..Default::default()
        };
        self.call::<_, wire::validate_resource_config::Response>("ValidateResourceConfig", request).diagnostics
    }

    fn plan(&self, config: wire::DynamicValue) -> wire::plan_resource_change::Response {
        let request = wire::plan_resource_change::Request {
            type_name: Every::NAME.to_owned(),
            proposed_new_state: Some(config.clone()),
            config: Some(config),
            ..Default::default()
        };
        self.call("PlanResourceChange", request)
    }

    fn apply(&self, planned: wire::DynamicValue, config: wire::DynamicValue) -> wire::apply_resource_change::Response {
        let request = wire::apply_resource_change::Request {
            type_name: Every::NAME.to_owned(),
            planned_state: Some(planned),
            config: Some(config),
            ..Default::default()
        };
        self.call("ApplyResourceChange", request)
    }

    fn read(&self, state: wire::DynamicValue) -> wire::read_resource::Response {
        let request = wire::read_resource::Request {
            type_name: Every::NAME.to_owned(),
            current_state: Some(state),
            ..Default::default()
        };
        self.call("ReadResource", request)
    }

    fn upgrade(&self, json: Vec<u8>) -> wire::upgrade_resource_state::Response {
        let request = wire::upgrade_resource_state::Request {
            type_name: Every::NAME.to_owned(),
            raw_state: Some(wire::RawState { json: json.into(), ..Default::default() }),
            ..Default::default()
        };
        self.call("UpgradeResourceState", request)
    }

    fn open(&self, config: wire::DynamicValue) -> wire::open_ephemeral_resource::Response {
        let request = wire::open_ephemeral_resource::Request {
            type_name: Fleeting::NAME.to_owned(),
            config: Some(config),
            ..Default::default()
        };
        self.call("OpenEphemeralResource", request)
    }

    /// A value of the resource as the CLI sends it.
    fn packed(&self, value: &Dynamic) -> wire::DynamicValue {
        msgpack(msgpack::encode(value, &self.shape).unwrap())
    }

    fn unpacked(&self, value: Option<wire::DynamicValue>) -> Dynamic {
        msgpack::decode(&value.unwrap().msgpack, &self.shape).unwrap()
    }
}

fn msgpack(bytes: Vec<u8>) -> wire::DynamicValue {
    wire::DynamicValue { msgpack: bytes.into(), ..Default::default() }
}

fn json(text: Vec<u8>) -> wire::DynamicValue {
    wire::DynamicValue { json: text.into(), ..Default::default() }
}

fn failed(found: &[wire::Diagnostic]) -> bool {
    found.iter().any(|one| one.severity == i32::from(wire::diagnostic::Severity::Error))
}

/// A configuration of the resource: anything may be null or unknown in it, but the computed `id` is null.
fn config(shape: &Type) -> impl Strategy<Value = Dynamic> + use<> {
    samples::value_of(shape).prop_filter_map("an object", |value| {
        let Dynamic::Map(mut parts) = value else { return None };
        parts.insert("id".to_owned(), Dynamic::Null);
        if let Some(Dynamic::Number(number)) = parts.get("number")
            && number.as_str().parse::<u64>().is_err()
        {
            // The check of the schema refuses it.
            parts.insert("number".to_owned(), Dynamic::Null);
        }
        Some(Dynamic::Map(parts))
    })
}

#[test]
fn a_plan_holds_what_was_configured_and_apply_what_was_planned() {
    let client = Client::new();
    proptest!(|(config in config(&client.shape))| {
        let sent = client.packed(&config);
        if failed(&client.validate(sent.clone())) {
            let Dynamic::Map(mut parts) = config.clone() else { return Ok(()) };
            without_nulls_inside(&mut parts);
            prop_assert_ne!(Dynamic::Map(parts), config.clone(), "only a null element is refused");
        }
        let answer = client.plan(sent);
        let planned = client.unpacked(answer.planned_state);
        prop_assert_eq!(plan_faults(&client.schema, &Dynamic::Null, &config, &planned), Vec::<String>::new());
        for (name, attribute) in &client.schema.attributes {
            if !attribute.computed {
                prop_assert_eq!(planned.get(name), config.get(name));
            }
        }
    });
    // What is known comes back from apply and from a refresh as it was planned, whichever way it is encoded.
    proptest!(|(config in config(&client.shape), as_json: bool)| {
        let Dynamic::Map(mut parts) = samples::as_stored(&client.shape, config) else { return Ok(()) };
        without_nulls_inside(&mut parts);
        let config = Dynamic::Map(parts);
        let encoded =
            |value: &Dynamic| if as_json { json(samples::to_json(value).into_bytes()) } else { client.packed(value) };
        prop_assert_eq!(client.validate(encoded(&config)), Vec::new());
        let planned = client.plan(encoded(&config)).planned_state.unwrap();
        let applied = client.apply(planned.clone(), encoded(&config));
        prop_assert!(!failed(&applied.diagnostics), "{:?}", applied.diagnostics);
        let (planned, state) = (client.unpacked(Some(planned)), client.unpacked(applied.new_state));
        prop_assert_eq!(apply_faults(&planned, &state), Vec::<String>::new());
        let read = client.read(encoded(&state));
        prop_assert!(!failed(&read.diagnostics), "{:?}", read.diagnostics);
        prop_assert_eq!(&client.unpacked(read.new_state), &state);
        let upgraded = client.upgrade(samples::to_json(&state).into_bytes());
        prop_assert_eq!(client.unpacked(upgraded.upgraded_state), state);
    });
}

/// A struct's collections hold no null, which the CLI would send only where a user wrote it; that is told before apply.
fn without_nulls_inside(parts: &mut BTreeMap<String, Dynamic>) {
    parts.values_mut().for_each(prune);
}

fn prune(value: &mut Dynamic) {
    match value {
        Dynamic::List(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(prune);
        }
        Dynamic::Map(items) => {
            items.retain(|name, item| name == "texts" || !item.is_null());
            items.values_mut().for_each(prune);
        }
        _ => {}
    }
}

#[test]
fn hostile_bytes_are_a_diagnostic_and_never_a_status() {
    let client = Client::new();
    let shape = client.shape.clone();
    let all = |value: &wire::DynamicValue| {
        vec![
            ("validate", client.validate(value.clone())),
            ("plan", client.plan(value.clone()).diagnostics),
            ("apply", client.apply(value.clone(), value.clone()).diagnostics),
            ("read", client.read(value.clone()).diagnostics),
            ("open", client.open(value.clone()).diagnostics),
        ]
    };
    let check = |value: &wire::DynamicValue, decodes: bool| {
        for (method, found) in all(value) {
            // What decodes may still be refused by what it means; what does not has to be.
            if !decodes {
                assert!(failed(&found), "{method} took {value:?}");
            }
        }
    };
    proptest!(ProptestConfig::with_cases(64), |(bytes in proptest::collection::vec(any::<u8>(), 1..48))| {
        check(&msgpack(bytes.clone()), msgpack::decode(&bytes, &shape).is_ok());
        check(&json(bytes.clone()), from_json_text(&shape, &bytes).is_ok());
    });
    proptest!(ProptestConfig::with_cases(64), |(config in config(&shape), cut: prop::sample::Index, at: prop::sample::Index, byte: u8)| {
        let mut bytes = msgpack::encode(&config, &shape).unwrap();
        check(&msgpack(bytes[..cut.index(bytes.len() - 1) + 1].to_vec()), cut.index(bytes.len() - 1) + 1 == bytes.len());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let decodes = msgpack::decode(&bytes, &shape).is_ok();
        check(&msgpack(bytes), decodes);
        let mut text = samples::to_json(&config).into_bytes();
        text.truncate(cut.index(text.len() - 1) + 1);
        check(&json(text.clone()), from_json_text(&shape, &text).is_ok());
    });
    let deep = [0x91; 100_000].to_vec();
    check(&msgpack(deep), false);
    check(&json(b"[".repeat(100_000)), false);
    check(&msgpack(vec![0xdf, 0xff, 0xff, 0xff, 0xff]), false);
}

#[test]
fn a_name_that_is_not_served_is_a_diagnostic_in_every_call() {
    let client = Client::new();
    let type_name = "m365_nothing".to_owned();
    let open = wire::open_ephemeral_resource::Request { type_name: type_name.clone(), ..Default::default() };
    let close = wire::close_ephemeral_resource::Request { type_name: type_name.clone(), ..Default::default() };
    let read = wire::read_resource::Request { type_name: type_name.clone(), ..Default::default() };
    let data = wire::read_data_source::Request { type_name: type_name.clone(), ..Default::default() };
    let list = wire::validate_list_resource_config::Request { type_name, ..Default::default() };
    let found = [
        client.call::<_, wire::open_ephemeral_resource::Response>("OpenEphemeralResource", open).diagnostics,
        client.call::<_, wire::close_ephemeral_resource::Response>("CloseEphemeralResource", close).diagnostics,
        client.call::<_, wire::read_resource::Response>("ReadResource", read).diagnostics,
        client.call::<_, wire::read_data_source::Response>("ReadDataSource", data).diagnostics,
        client.call::<_, wire::validate_list_resource_config::Response>("ValidateListResourceConfig", list).diagnostics,
    ];
    for found in found {
        assert!(failed(&found) && found[0].summary.contains("m365_nothing"), "{found:?}");
    }
}

#[test]
fn an_ephemeral_resource_is_announced_opened_and_closed() {
    let client = Client::new();
    let schema: wire::get_provider_schema::Response =
        client.call("GetProviderSchema", wire::get_provider_schema::Request::default());
    assert!(schema.ephemeral_resource_schemas[Fleeting::NAME].block.is_some());
    let named: wire::get_metadata::Response = client.call("GetMetadata", wire::get_metadata::Request::default());
    assert_eq!(named.ephemeral_resources[0].type_name, Fleeting::NAME);

    let shape = Type::Object([("text", Type::String), ("answer", Type::String)].map(|(a, b)| (a.to_owned(), b)).into());
    let value = |text: Dynamic, answer: Dynamic| {
        Dynamic::Map([("text".to_owned(), text), ("answer".to_owned(), answer)].into())
    };
    let config = msgpack(msgpack::encode(&value("t".into(), Dynamic::Null), &shape).unwrap());
    let opened = client.open(config);
    assert_eq!(opened.diagnostics, Vec::new());
    assert_eq!(opened.renew_at, None, "nothing to renew");
    let result = msgpack::decode(&opened.result.unwrap().msgpack, &shape);
    assert_eq!(result, Ok(value("t".into(), "42".into())));
    let close = wire::close_ephemeral_resource::Request {
        type_name: Fleeting::NAME.to_owned(),
        private: opened.private.clone(),
    };
    let closed: wire::close_ephemeral_resource::Response = client.call("CloseEphemeralResource", close);
    assert_eq!(closed.diagnostics, Vec::new());

    let unknown = msgpack(msgpack::encode(&value(Dynamic::unknown(), Dynamic::Null), &shape).unwrap());
    let request = wire::validate_ephemeral_resource_config::Request {
        type_name: Fleeting::NAME.to_owned(),
        config: Some(unknown),
    };
    let checked: wire::validate_ephemeral_resource_config::Response =
        client.call("ValidateEphemeralResourceConfig", request);
    assert_eq!(checked.diagnostics, Vec::new());
}
