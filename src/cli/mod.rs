//! The binary without Terraform: one file per subcommand.
