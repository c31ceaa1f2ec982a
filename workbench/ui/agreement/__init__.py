"""The Agreement page: a study is planned, gone through and told."""
