//! Several nodes as real processes on this machine, driven as operators and clients drive them: from the README's first
//! commands to a node that is killed, replaced, or asked to stop.

mod absurd;
mod caller;
mod damage;
mod disk;
mod folders;
mod forming;
mod fuzzing;
mod granting;
mod losing;
mod membership;
mod nodes;
mod passes;
mod pausing;
mod publishing;
mod rotating;
mod trust;
