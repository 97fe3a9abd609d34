"""Private networks of real amuled: what they are asked to be, how they are made, ruled and watched."""
