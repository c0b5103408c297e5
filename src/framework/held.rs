//! Refusals that a plan owes and apply must not give. The CLI plans each create once more during apply, by the same call: an error there
//! leaves the object that it replaces with `create_before_destroy` deposed, and no later plan or destroy gets past it. So the refusal
//! is held until a call shows that this process plans: a refresh, a planned destroy, a configuration with unknown values. Where no call
//! does, apply itself refuses.

use super::diagnostic::{Diagnostic, Diagnostics};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one process holds back.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    plans: bool,
    errors: Vec<Diagnostic>,
}

impl Held {
    /// Gives the error at once where this process is known to plan, else later by [`Held::due`].
    pub(super) fn refuse(&self, error: Diagnostic) -> Result<(), Diagnostics> {
        let mut state = self.locked();
        if state.plans {
            return Err(error.into());
        }
        // Whoever gives it is another object, without the attribute that it is about.
        state.errors.push(Diagnostic { path: None, ..error });
        Ok(())
    }

    /// Notes that this process plans.
    pub(super) fn plans(&self) {
        self.locked().plans = true;
    }

    /// What was held back, once this process is known to plan.
    pub(super) fn due(&self) -> Vec<Diagnostic> {
        let mut state = self.locked();
        if state.plans { std::mem::take(&mut state.errors) } else { Vec::new() }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-written here by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_given_once_by_whichever_call_shows_first_that_this_process_plans() {
        let error = Diagnostic::error("taken").at("unique_name");
        let held = Held::default();
        assert!(held.refuse(error.clone()).is_ok(), "it may be apply");
        assert!(held.due().is_empty());
        held.plans();
        assert_eq!(held.due(), [Diagnostic::error("taken")]);
        assert!(held.due().is_empty());
        assert_eq!(held.refuse(error.clone()).unwrap_err().0, [error]);
    }
}
