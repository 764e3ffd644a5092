"""Control without a road: a plant, courses, a planner that knows them, a car on a bus, manoeuvres and their figures. No part of the vehicle."""
