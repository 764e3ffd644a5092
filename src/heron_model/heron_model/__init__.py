"""DriveHeron, the vision-language-action model: what it is, how it is trained, exported and measured. The only home of torch."""
