//! Values, schemas, planning and the traits that a resource implements. Knows neither protobuf nor Graph.
