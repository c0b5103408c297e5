//! What the four truths of each permission come to. Asks nobody.

use super::model::PermissionStatus;
use crate::catalog::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What could be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whether the application lives in this tenant: only then it says here what it asks for.
    pub lives_here: bool,
    /// Whether somebody signed in as the connector.
    pub signed_in: bool,
}

/// What is true of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub missing: BTreeSet<String>,
    pub excess: BTreeSet<String>,
    pub complete: bool,
    pub summary: String,
}

impl PermissionStatus {
    fn is_requested(self, looked: Looked) -> bool {
        !looked.lives_here || self.requested == Some(true)
    }

    fn is_effective(self, kind: Kind, looked: Looked) -> bool {
        !looked.signed_in || kind == Kind::Delegated || self.effective == Some(true)
    }
}

/// `all`: each permission by its key. `name`: what the service principal is called.
pub(super) fn judged(all: &BTreeMap<String, (Kind, PermissionStatus)>, looked: Looked, name: &str) -> Verdict {
    let keys = |is: &dyn Fn(Kind, PermissionStatus) -> bool| -> BTreeSet<String> {
        all.iter().filter(|(_, (kind, status))| is(*kind, *status)).map(|(key, _)| key.clone()).collect()
    };
    let declared = keys(&|_, one| one.declared).len();
    let unrequested = keys(&|_, one| one.declared && !one.is_requested(looked));
    let missing = keys(&|_, one| one.declared && !one.granted);
    let ineffective = keys(&|kind, one| one.declared && one.granted && !one.is_effective(kind, looked));
    let excess = keys(&|_, one| one.granted && !one.declared);
    let complete = unrequested.is_empty() && missing.is_empty() && ineffective.is_empty();

    let mut sentences = vec![match complete {
        true => format!("{name} is complete: {} as declared.", counted(declared, "permission is", "permissions are")),
        false => format!("{name} is not complete."),
    }];
    for (keys, what) in [
        (&missing, "declared but not granted"),
        (&unrequested, "declared but not requested by the application"),
        (&ineffective, "granted but not seen in the connector's token"),
        (&excess, "granted but not declared"),
    ] {
        if !keys.is_empty() {
            let listed = keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            sentences.push(format!("{} {what}: {listed}.", counted(keys.len(), "permission is", "permissions are")));
        }
    }
    if !looked.lives_here {
        sentences.push("What the application requests is decided in the tenant that it lives in.".to_owned());
    }
    if !looked.signed_in {
        sentences.push("Nobody signed in as the connector, so what is effective was not looked at.".to_owned());
    }
    Verdict { missing, excess, complete, summary: sentences.join(" ") }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "an/application/Api.All";

    /// Every combination of what can be true of a permission and of what was looked at; the expectations are written out from what
    /// `complete` promises, not from the code.
    #[test]
    fn every_combination_of_truths_comes_to_what_is_promised() {
        let (bools, truths) = ([false, true], [None, Some(false), Some(true)]);
        let mut seen = 0;
        for kind in [Kind::Application, Kind::Delegated] {
            for (lives_here, signed_in) in [(false, false), (false, true), (true, false), (true, true)] {
                for (declared, granted) in bools.iter().flat_map(|one| bools.iter().map(move |two| (*one, *two))) {
                    for (requested, effective) in
                        truths.iter().flat_map(|one| truths.iter().map(move |two| (*one, *two)))
                    {
                        let status = PermissionStatus { declared, requested, granted, effective };
                        let looked = Looked { lives_here, signed_in };
                        let all = BTreeMap::from([(KEY.to_owned(), (kind, status))]);
                        let verdict = judged(&all, looked, "It");
                        let mut lacks = 0;
                        if declared && !granted {
                            lacks += 1;
                        }
                        if declared && lives_here && requested != Some(true) {
                            lacks += 1;
                        }
                        if declared && granted && signed_in && kind == Kind::Application && effective != Some(true) {
                            lacks += 1;
                        }
                        let is = |yes: bool| if yes { BTreeSet::from([KEY.to_owned()]) } else { BTreeSet::new() };
                        assert_eq!(verdict.complete, lacks == 0, "{kind} {looked:?} {status:?}");
                        assert_eq!(verdict.missing, is(declared && !granted), "{status:?}");
                        assert_eq!(verdict.excess, is(granted && !declared), "{status:?}");
                        let named = lacks + usize::from(granted && !declared);
                        assert_eq!(verdict.summary.matches(KEY).count(), named, "{}", verdict.summary);
                        assert_eq!(verdict.summary.contains("is complete"), lacks == 0, "{}", verdict.summary);
                        seen += 1;
                    }
                }
            }
        }
        assert_eq!(seen, 2 * 4 * 4 * 9);
    }

    #[test]
    fn a_summary_can_be_quoted() {
        let status = |declared, granted| {
            (Kind::Application, PermissionStatus { declared, requested: Some(declared), granted, effective: None })
        };
        let all = BTreeMap::from([
            ("a/application/A".to_owned(), status(true, true)),
            ("a/application/B".to_owned(), status(true, false)),
            ("a/application/C".to_owned(), status(false, true)),
        ]);
        let looked = Looked { lives_here: true, signed_in: false };
        assert_eq!(
            judged(&all, looked, "\"SIEM\"").summary,
            "\"SIEM\" is not complete. 1 permission is declared but not granted: a/application/B. \
             1 permission is granted but not declared: a/application/C. \
             Nobody signed in as the connector, so what is effective was not looked at."
        );
    }
}
