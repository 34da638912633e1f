//! Time passes: the same key runs out on both servers. Each is asked until it has, and for nothing but that.

use crate::generator::words;
use crate::peer::eventually;
use crate::reply::Reply;
use crate::stage::Stage;

impl Stage {
    /// Waits until a key is gone on both.
    fn until_gone(&mut self, key: &str) {
        for connection in [&mut self.writer.reference, &mut self.writer.peer] {
            eventually("a key to run out", || {
                (connection.ask(&words(&["EXISTS", key])) == Reply::Integer(0)).then_some(())
            });
        }
    }
}

#[test]
fn a_stream_that_ran_out_begins_anew() {
    Stage::tell(|stage| {
        stage.ask("XADD s 50-1 f v");
        stage.ask("XGROUP CREATE s g 0");
        assert_eq!(stage.ask("PEXPIRE s 30"), Reply::Integer(1));
        stage.until_gone("s");
        for command in
            ["TYPE s", "TTL s", "PTTL s", "EXPIRETIME s", "XLEN s", "XRANGE s - +", "XINFO STREAM s"]
        {
            stage.ask(command);
        }
        stage.ask("XREADGROUP GROUP g c STREAMS s >");
        stage.ask("PERSIST s");
        stage.ask("DBSIZE");
        // Its last id is forgotten with it: a lower one is taken.
        stage.ask("XADD s 1-1 f v");
        stage.ask("XINFO STREAM s");
        stage.ask("XINFO GROUPS s");
        assert_eq!(stage.ask("TTL s"), Reply::Integer(-1));
    });
}

#[test]
fn what_changes_a_stream_leaves_its_time_to_live() {
    Stage::tell(|stage| {
        stage.ask("XADD s 1-1 f v");
        // Far away, so that neither runs out between the commands; and a moment, so that both have to be exact.
        assert_eq!(stage.ask("PEXPIREAT s 5000000000123"), Reply::Integer(1));
        for command in ["XADD s MAXLEN 1 2-1 f w", "XTRIM s MAXLEN 1", "XGROUP CREATE s g $", "XSETID s 9-9"]
        {
            stage.ask(command);
            assert_eq!(stage.ask("PEXPIRETIME s"), Reply::Integer(5_000_000_000_123), "{command}");
        }
        stage.ask("PEXPIRE s 1");
        stage.until_gone("s");
        stage.ask("XADD s 1-1 f v");
        stage.ask("XINFO STREAM s FULL");
    });
}

#[test]
fn persist_takes_the_end_away() {
    Stage::tell(|stage| {
        stage.ask("XADD s 1-1 f v");
        stage.ask("XADD t 1-1 f v");
        stage.ask("EXPIRE s 1000");
        assert_eq!(stage.ask("PERSIST s"), Reply::Integer(1));
        assert_eq!(stage.ask("PERSIST s"), Reply::Integer(0));
        assert_eq!(stage.ask("PEXPIRE t 20"), Reply::Integer(1));
        stage.until_gone("t");
        assert_eq!(stage.ask("EXISTS s t"), Reply::Integer(1));
        stage.ask("DBSIZE");
    });
}

#[test]
fn a_key_whose_time_is_past_goes_at_once() {
    Stage::tell(|stage| {
        for past in
            ["EXPIRE s 0", "EXPIRE s -1", "PEXPIRE s 0", "EXPIREAT s 1", "PEXPIREAT s 1", "PEXPIREAT s 0"]
        {
            stage.ask("XADD s 5-1 f v");
            assert_eq!(stage.ask(past), Reply::Integer(1), "{past}");
            assert_eq!(stage.ask("EXISTS s"), Reply::Integer(0), "{past}");
            assert_eq!(stage.ask(past), Reply::Integer(0), "{past}");
        }
    });
}
