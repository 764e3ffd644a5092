"""The process between us and the network: all that parses what comes from outside before it is authenticated."""
