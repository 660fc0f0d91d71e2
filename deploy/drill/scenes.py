"""The scenes: each breaks something, and looks at it as a client, in the log, in the metrics and in the alerts."""

import threading

from certificates import Authority, Secure
from load import Load, told
from names import NameService
from report import expect
from stage import FREEZE, STOP, THAW, eventually
from waiting import Crowd, need_descriptors


def sigterm(stage, alerts, report):
    """SIGTERM under load, before a balancer that heeds /readyz"""
    _, quick = stage.ping("100ms")
    _, slow = stage.ping("1200ms")
    gateway = stage.gateway(
        f'grace = "1s"\n[upstreams.users]\nurl = "http://{quick}/ping"\n[upstreams.orders]\nurl = "http://{slow}/ping"\n'
        '[aggregates.default]\ncalls = ["users"]\n[aggregates.slow]\ncalls = ["users", "orders"]'
    )
    alerts.watch(gateway)
    load = Load(gateway, "/aggregate", heeds_readiness=True)
    eventually("some load", lambda: load.count() > 100)
    late = []
    last = threading.Thread(target=lambda: late.append(gateway.get("/aggregate/slow")))
    last.start()
    eventually("the slow request", lambda: gateway.metric('gather_attempts_in_flight{upstream="orders"}') == 1)
    gateway.send(STOP)

    def metrics():
        eventually("/readyz with 503", lambda: gateway.get("/readyz", gateway.admin)[0] == 503, 5)
        ready, cut = gateway.metric("gather_ready"), gateway.metric("gather_answers_cut_off_total")
        expect((ready, cut) == (0, 0), f"gather_ready is {ready} and gather_answers_cut_off_total {cut}, not 0 and 0")
        return "gather_ready is 0 beside a /readyz of 503, gather_answers_cut_off_total stays 0"

    def client():
        last.join(30)
        seen = load.stop()
        expect(set(seen) == {"200 complete"}, f"a request was lost: {told(seen)}")
        expect(late and late[0][0] == 200, f"the request that was in flight when the listener closed got {late}")
        return f"{told(seen)}, and the request in flight when the listener closed: none lost"

    def log():
        status = gateway.wait()
        expect(status == 0, f"the exit status is {status}")
        gateway.line("stopping; a second signal ends it at once")
        gateway.line("stopped")
        expect(not gateway.warnings(), f"warnings: {gateway.warnings()}")
        return '"stopping", then "stopped", no warning; exit status 0'

    def alert():
        alerts.must_not_fire("GatherDown")
        return f"{alerts.must_fire('GatherDown')}, as nothing took its place; the stop itself raised none"

    report.see("metrics", metrics)
    report.see("client", client)
    report.see("log", log)
    report.see("alerts", alert)


def log(stage, alerts, report):
    """The log stalled: nobody reads the pipe"""
    _, users = stage.ping()
    gateway = stage.gateway(f'[upstreams.users]\nurl = "http://{users}/ping"\n[aggregates.default]\ncalls = ["users"]')
    alerts.watch(gateway)
    gateway.reading.clear()
    load = Load(gateway, "/aggregate")
    dropped = "gather_log_lines_dropped_total"

    def metrics():
        # The log has the path of each request that no route takes.
        path = "/" + "x" * 6000
        for _ in range(2000):
            gateway.get(path)
            if gateway.metric(dropped) > 0:
                break
        before = load.count()
        eventually("requests that go on", lambda: load.count() > before + 50)
        lines = gateway.metric(dropped)
        expect(lines > 0, f"{dropped} is {lines:.0f}")
        return f"{dropped} is {gateway.metric(dropped):.0f}"

    def client():
        slowest = load.slowest
        seen = load.stop()
        expect(set(seen) == {"200 complete"}, f"not every request was answered: {told(seen)}")
        return f"{told(seen)}, the slowest in {slowest * 1000:.0f} ms: nobody waits for the log"

    def lines():
        gateway.reading.set()
        gateway.line("log lines were dropped")
        return 'once it is read again: "log lines were dropped", and how many'

    report.see("metrics", metrics)
    report.see("client", client)
    report.see("log", lines)
    report.see("alerts", lambda: f"{alerts.must_not_fire()}; the dashboard's panel on log lines shows it")


def names(stage, alerts, report):
    """The name service gone: it answers no more"""
    service = NameService(stage.folder, "drill.invalid")
    _, users = stage.ping()
    _, orders = stage.ping()
    users, orders = (address.rpartition(":")[2] for address in (users, orders))
    gateway = stage.gateway(
        f'[upstreams.users]\nurl = "http://users.drill.invalid:{users}/ping"\n'
        f'[upstreams.orders]\nurl = "http://orders.drill.invalid:{orders}/ping"\nkeep_alive = "0s"\n'
        '[aggregates.default]\ncalls = ["users", "orders"]'
    )
    alerts.watch(gateway)
    load = Load(gateway, "/aggregate")
    eventually("some load", lambda: load.count() > 100)
    before = load.seen.copy()
    service.silent.set()

    def client():
        expect(set(before) == {"200 complete"}, f"with a name service: {told(before)}")
        results = eventually(
            "a partial answer", lambda: (answer := gateway.aggregate()).get("outcome") == "partial" and answer["results"]
        )
        kept, new = results
        expect(kept["ok"], f"the call over a kept connection failed: {kept}")
        expect(new["failure"] == "connect", f"the call over a new connection: {new}")
        return f'200 partial: `users` goes on over kept connections, `orders` needs new ones: connect, "{new["detail"]}"'

    def log():
        gateway.line('no connection to an upstream upstream="orders" reason=')
        return '"no connection to an upstream", with its name and the reason'

    def metrics():
        failed = 'gather_attempts_total{result="connect",upstream="orders"}'
        count = eventually(failed, lambda: gateway.metric(failed))
        return f"{failed} is {count:.0f} and rises"

    def repeated():
        """Checks how often the log has reported it, after many failed calls."""
        lines = [line for line in list(gateway.lines) if 'no connection to an upstream upstream="orders"' in line]
        reasons = [line.rpartition("reason=")[2] for line in lines]
        anew = all(one != another for one, another in zip(reasons, reasons[1:]))
        expect(anew, f"the log has the same reason twice in a row: {lines}")
        # Six at once, and then one in ten seconds.
        expect(len(lines) <= 10, f"the log is full of it: {lines}")
        return f"a line where the reason is another than before: {len(lines)} in all"

    def back():
        service.silent.clear()
        eventually("complete answers", lambda: gateway.aggregate().get("outcome") == "complete")
        gateway.line("an upstream can be connected to again")
        load.stop()
        return "with a name service again: 200 complete, and the log says so"

    report.see("client", client)
    report.see("log", log)
    report.see("metrics", metrics)
    report.see("alerts", lambda: alerts.must_fire("GatherUpstreamFailing"))
    report.see("log", repeated)
    report.see("again", back)


def certificate(stage, alerts, report):
    """An upstream's certificate expires, and is renewed"""
    authority = Authority(stage.folder)
    users = Secure(authority)
    gateway = stage.gateway(
        f'[upstreams.users]\nurl = "https://localhost:{users.port}/"\nkeep_alive = "0s"\n'
        f'tls = {{ ca = "{authority.root}" }}\n[aggregates.default]\ncalls = ["users"]'
    )
    alerts.watch(gateway)
    load = Load(gateway, "/aggregate", clients=2, pause=0.1)

    def client():
        eventually("answers while it is valid", lambda: load.seen.get("200 complete"))
        users.expire()
        failed = eventually(
            "the failure", lambda: (answer := gateway.aggregate()).get("outcome") == "failed" and answer["results"][0]
        )
        expect(failed["failure"] == "tls", f"the call failed otherwise: {failed}")
        expect("expired" in failed["detail"], f"the reason is another: {failed}")
        return f'200 complete until it expires, then 502 failed: tls, "{failed["detail"]}"'

    def log():
        line = gateway.line("no connection to an upstream")
        expect("expired" in line, f"the reason is another: {line}")
        gateway.once("no connection to an upstream")
        return '"no connection to an upstream", reason "the upstream\'s certificate has expired", once'

    def metrics():
        failed = 'gather_attempts_total{result="tls",upstream="users"}'
        return f"{failed} is {eventually(failed, lambda: gateway.metric(failed)):.0f} and rises"

    def back():
        # Many calls have failed by now.
        gateway.once("no connection to an upstream")
        users.renew()
        eventually("complete answers", lambda: gateway.aggregate().get("outcome") == "complete")
        gateway.line("an upstream can be connected to again")
        load.stop()
        return "renewed: 200 complete, without a restart of the gateway, and the log says so"

    # The gateway's own certificate joins this scene when its listener speaks TLS.
    report.see("client", client)
    report.see("log", log)
    report.see("metrics", metrics)
    report.see("alerts", lambda: alerts.must_fire("GatherUpstreamFailing"))
    report.see("again", back)


def descriptors(stage, alerts, report):
    """Descriptors spent: more clients than a limit of 256 is enough for"""
    # 300 clients, and what the drill itself has open.
    need_descriptors(400)
    _, users = stage.ping()
    _, orders = stage.ping()
    gateway = stage.gateway(
        f'[upstreams.users]\nurl = "http://{users}/ping"\n[upstreams.orders]\nurl = "http://{orders}/ping"\n'
        '[aggregates.default]\ncalls = ["users", "orders"]',
        limit=256,
    )
    alerts.watch(gateway)
    limit = int(gateway.metric("gather_client_connections_limit"))
    crowd = Crowd(gateway, 300)

    def client():
        eventually("an answer for all who are let in", lambda: crowd.answered() >= limit)
        expect(crowd.answered() == limit, f"{crowd.answered()} were answered, and {limit} may be connected")
        expect(set(crowd.seen) == {"200 complete"}, f"an answer lacks a part: {told(crowd.seen)}")
        return f"300 clients: {told(crowd.seen)}; the other {300 - limit} wait, and no call lacks a descriptor"

    def log():
        gateway.line(f"256 file descriptors are enough for {limit} of them")
        expect(len(gateway.warnings()) == 1, f"other warnings: {gateway.warnings()}")
        return f'at the start: "… 256 file descriptors are enough for {limit} of them …", and nothing more'

    def metrics():
        status = gateway.get("/readyz", gateway.admin)[0]
        clients, spent = gateway.metric("gather_client_connections"), gateway.metric("process_open_fds")
        expect(status == 200, f"/readyz on the admin listener says {status}")
        expect(clients == limit, f"gather_client_connections is {clients:.0f}, not {limit}")
        expect(spent < 256, f"process_open_fds is {spent:.0f}")
        return f"reachable: gather_client_connections is its limit, {limit}; process_open_fds {spent:.0f} of 256"

    def back():
        crowd.leave()
        eventually("an answer for everybody", lambda: crowd.answered() == 300 or crowd.leave())
        expect(set(crowd.seen) == {"200 complete"}, f"an answer lacks a part: {told(crowd.seen)}")
        return f"those who are answered leave: {told(crowd.seen)}, nobody refused"

    report.see("client", client)
    report.see("log", log)
    report.see("metrics", metrics)
    report.see("alerts", lambda: alerts.must_fire("GatherClientsWaiting"))
    report.see("again", back)


def frozen(stage, alerts, report):
    """An upstream frozen: it takes connections and answers nothing"""
    service, users = stage.ping()
    _, orders = stage.ping()
    gateway = stage.gateway(
        f'[upstreams.users]\nurl = "http://{users}/ping"\ntimeout = "500ms"\nhedge = {{ after = "200ms" }}\n'
        'breaker = { failures = 5, open_for = "1s" }\n'
        f'[upstreams.orders]\nurl = "http://{orders}/ping"\n'
        '[aggregates.default]\ncalls = ["users", "orders"]\ndeadline = "2s"'
    )
    alerts.watch(gateway)
    load = Load(gateway, "/aggregate")
    eventually("some load", lambda: load.count() > 100)
    before = load.stop()
    service.send(FREEZE)
    load = Load(gateway, "/aggregate", pause=0.1)

    def client():
        expect(set(before) == {"200 complete"}, f"before: {told(before)}")
        first = eventually("an attempt that takes too long", lambda: load.seen.get("200 partial"))
        call = eventually(
            "a call that is refused at once",
            lambda: (result := gateway.aggregate()["results"][0]).get("failure") == "circuit_open" and result,
        )
        expect(call["elapsed_ms"] < 100, f"an open circuit took {call['elapsed_ms']} ms")
        expect(set(load.seen) == {"200 partial"}, f"meanwhile: {told(load.seen)}")
        # The deadline is 2 s, and a busy machine adds time of its own.
        expect(first and load.slowest < 3, f"an answer took {load.slowest:.1f} s")
        return f"200 partial with `orders` in it: timeout after 500 ms, then circuit_open in {call['elapsed_ms']:.1f} ms"

    def log():
        line = gateway.line("the circuit breaker changed")
        expect("users" in line and "open" in line, f"another one: {line}")
        return '"the circuit breaker changed", upstream users, open'

    def metrics():
        state = 'gather_circuit_state{upstream="users"}'
        timeouts = 'gather_attempts_total{result="timeout",upstream="users"}'
        hedges = 'gather_hedges_total{upstream="users"}'
        eventually(f"{state} of 2", lambda: gateway.metric(state) == 2)
        eventually(f"{state} of 1", lambda: gateway.metric(state) == 1)
        eventually("a hedge", lambda: gateway.metric(hedges) > 0)
        late = eventually(timeouts, lambda: gateway.metric(timeouts))
        return f"{state} is 2 (1 while it tries), {timeouts} {late:.0f}, {hedges} {gateway.metric(hedges):.0f}"

    def back():
        service.send(THAW)
        eventually("complete answers", lambda: gateway.aggregate().get("outcome") == "complete")
        closed = 'gather_circuit_state{upstream="users"}'
        eventually(f"{closed} of 0", lambda: gateway.metric(closed) == 0)
        load.stop()
        return "thawed: 200 complete, the circuit closes by itself"

    report.see("client", client)
    report.see("log", log)
    report.see("metrics", metrics)
    report.see("alerts", lambda: alerts.must_fire("GatherCircuitOpen", "GatherUpstreamFailing"))
    report.see("again", back)


ALL = {scene.__name__: scene for scene in (sigterm, log, names, certificate, descriptors, frozen)}

# These scenes change something that the whole machine would see.
IN_A_NETWORK = (names,)
