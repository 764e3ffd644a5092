"""Policies: folders, inference sessions, the kinematic baseline, and the component that plans with them."""
