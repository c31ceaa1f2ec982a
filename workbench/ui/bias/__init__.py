"""The sections of the Bias page: for which class or group a model is worse, by how much, and how sure that is."""
