"""One step a file: `async def step(work, action) -> Outcome`, at most one paid call each."""
