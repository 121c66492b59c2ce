"""The private names of other libraries that CONTRIBUTING lists: each is still there, and does what we rely on."""
