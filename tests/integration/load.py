# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Requests in the background, while something happens to a server."""

import threading

from cep_env import soap
from cep_env.waiting import wait_until


class Load:
    """Keeps what was not an answer."""

    def __init__(self, server, threads=4):
        self.server, self.wrong, self.count = server, [], 0
        self.end, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def ask(self):
        return soap.send(self.server)

    def check(self, response):
        model = soap.parse(response.body)
        if response.status != 200 or not model["policies"]:
            self.wrong.append(model["fault"] or model)

    def run(self):
        while not self.end.is_set():
            try:
                self.check(self.ask())
            except Exception as error:  # whatever it is, a request was lost
                self.wrong.append(repr(error))
            with self.lock:
                self.count += 1

    def wait_for_more(self, count):
        """Until so many more were asked, and answered well."""
        goal = self.count + count
        wait_until(lambda: self.wrong or self.count >= goal, 60, lambda: (self.count, goal))
        assert not self.wrong

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join()
