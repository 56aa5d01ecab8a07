"""Drawing programs: what the generator is made of, from single operands to whole schedules."""
