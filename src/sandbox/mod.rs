//! A simulated Microsoft 365 tenant over real HTTP, with its own shapes and rules.
