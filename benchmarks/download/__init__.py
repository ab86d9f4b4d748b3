"""What a download costs: against curl and a plain loop, in one stream and in segments."""
