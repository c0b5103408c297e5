//! Two states of one tenant mixed entry by entry, as replicas that have received different writes show it.

use crate::sandbox::store::{Object, Tenant};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Whether an entry is behind, on one read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chance {
    pub percent: u64,
    /// Number of the read.
    pub turn: u64,
}

impl Chance {
    /// The same for the same entry and read. Source of the hash: FNV-1a, with a last step that spreads it.
    fn is_behind(self, entry: &str) -> bool {
        let bytes = self.turn.to_le_bytes().into_iter().chain(entry.bytes());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32 & 0xffff < self.percent * 0x1_0000 / 100
    }
}

/// What a read sees. Texts of secrets and policies are the fresh ones.
pub(super) fn mixed(before: &Tenant, fresh: &Tenant, chance: Chance) -> Tenant {
    let map = |name: &str, part: fn(&Tenant) -> &BTreeMap<String, Object>| {
        maps(part(before), part(fresh), name, chance, |old, new, path| objects(old, new, path, chance))
    };
    Tenant {
        applications: map("applications", |tenant| &tenant.applications),
        principals: map("principals", |tenant| &tenant.principals),
        assignments: map("assignments", |tenant| &tenant.assignments),
        grants: map("grants", |tenant| &tenant.grants),
        deleted_applications: map("deleted_applications", |tenant| &tenant.deleted_applications),
        deleted_principals: map("deleted_principals", |tenant| &tenant.deleted_principals),
        owners: maps(&before.owners, &fresh.owners, "owners", chance, |old, new, path| sets(old, new, path, chance)),
        federated: maps(&before.federated, &fresh.federated, "federated", chance, |old, new, path| {
            let [old, new] = [old, new].map(|all| all.iter().cloned().map(Value::Object).collect::<Vec<_>>());
            let all = lists(&old, &new, path, chance).into_iter();
            all.filter_map(|one| if let Value::Object(one) = one { Some(one) } else { None }).collect()
        }),
        ..fresh.clone()
    }
}

fn maps<T: Clone + PartialEq>(
    before: &BTreeMap<String, T>,
    fresh: &BTreeMap<String, T>,
    path: &str,
    chance: Chance,
    mix: impl Fn(&T, &T, &str) -> T,
) -> BTreeMap<String, T> {
    let ids: BTreeSet<&String> = before.keys().chain(fresh.keys()).collect();
    let seen = ids.into_iter().filter_map(|id| {
        let path = format!("{path}/{id}");
        let one = match (before.get(id), fresh.get(id)) {
            (Some(old), Some(new)) if old == new => Some(new.clone()),
            (Some(old), Some(new)) => Some(mix(old, new, &path)),
            (old, new) => if chance.is_behind(&path) { old } else { new }.cloned(),
        };
        Some((id.clone(), one?))
    });
    seen.collect()
}

fn sets(before: &BTreeSet<String>, fresh: &BTreeSet<String>, path: &str, chance: Chance) -> BTreeSet<String> {
    let all = before.union(fresh);
    let seen = all.filter(|one| {
        let side = if chance.is_behind(&format!("{path}/{one}")) { before } else { fresh };
        side.contains(*one)
    });
    seen.cloned().collect()
}

fn objects(before: &Object, fresh: &Object, path: &str, chance: Chance) -> Object {
    let names: Vec<&String> = fresh.keys().chain(before.keys().filter(|name| !fresh.contains_key(*name))).collect();
    let seen = names.into_iter().filter_map(|name| {
        let path = format!("{path}/{name}");
        let one = match (before.get(name), fresh.get(name)) {
            (Some(old), Some(new)) => Some(values(name, old, new, &path, chance)),
            (old, new) => if chance.is_behind(&path) { old } else { new }.cloned(),
        };
        Some((name.clone(), one?))
    });
    seen.collect()
}

fn values(name: &str, before: &Value, fresh: &Value, path: &str, chance: Chance) -> Value {
    match (before, fresh) {
        (old, new) if old == new => new.clone(),
        (Value::Object(old), Value::Object(new)) => objects(old, new, path, chance).into(),
        (Value::Array(old), Value::Array(new)) => lists(old, new, path, chance).into(),
        // The scopes of a grant are a collection in one text.
        (Value::String(old), Value::String(new)) if name == "scope" => {
            let words = |text: &str| text.split_whitespace().map(Value::from).collect::<Vec<_>>();
            let seen = lists(&words(old), &words(new), path, chance);
            seen.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
        }
        (old, new) => if chance.is_behind(path) { old } else { new }.clone(),
    }
}

/// Elements are the same where their ids are, or where they are the same text.
fn lists(before: &[Value], fresh: &[Value], path: &str, chance: Chance) -> Vec<Value> {
    let find = |all: &[Value], key: &str| all.iter().find(|one| key_of(one) == key).cloned();
    let keys = fresh.iter().chain(before.iter().filter(|one| find(fresh, &key_of(one)).is_none())).map(key_of);
    let seen = keys.filter_map(|key| {
        let path = format!("{path}/{key}");
        match (find(before, &key), find(fresh, &key)) {
            (Some(old), Some(new)) => Some(values("", &old, &new, &path, chance)),
            (old, new) => {
                if chance.is_behind(&path) {
                    old
                } else {
                    new
                }
            }
        }
    });
    seen.collect()
}

fn key_of(one: &Value) -> String {
    let id = ["keyId", "id", "resourceAppId", "appId", "name"].iter().find_map(|name| one.get(name)?.as_str());
    match id.or(one.as_str()) {
        // A role and a scope may have one id.
        Some(text) => format!("{text}{}", one.get("type").and_then(Value::as_str).unwrap_or_default()),
        None => one.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(before: &Value, fresh: &Value) -> BTreeSet<String> {
        (0..64).map(|turn| values("", before, fresh, "x", Chance { percent: 50, turn }).to_string()).collect()
    }

    #[test]
    fn every_mixture_of_two_entries_is_seen_and_nothing_else() {
        let (before, fresh) = (json!([{ "id": "a" }]), json!([{ "id": "a" }, { "id": "b" }, { "id": "c" }]));
        assert_eq!(seen(&before, &fresh).len(), 4);
        assert_eq!(seen(&json!({ "a": 1, "b": 1 }), &json!({ "a": 2, "b": 2 })).len(), 4);
        assert_eq!(seen(&fresh, &fresh).len(), 1);
    }

    #[test]
    fn a_percentage_is_one() {
        let behind = |percent| (0..10_000).filter(|turn| Chance { percent, turn: *turn }.is_behind("x")).count();
        assert_eq!((behind(0), behind(100)), (0, 10_000));
        assert!((2_700..3_300).contains(&behind(30)), "{}", behind(30));
    }
}
