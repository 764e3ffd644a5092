"""How good a policy is: figures over many drives in towns that it has never seen, and probes of what it looks at and listens to."""
