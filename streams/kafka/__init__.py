"""The pipeline on Kafka: the only importers of Faust and aiokafka."""
