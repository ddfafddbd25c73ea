# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""One request by HTTP/2. curl loses answers that come before its body is sent."""

import email.message

from . import soap

MAX_CHUNK = 16384


def send(server, path, body=b"", headers=None, method="POST", port=None, context=None):
    import h2.config
    import h2.connection
    import h2.events
    context = context or soap.trust(server)
    context.set_alpn_protocols(["h2"])
    with soap.connect(server, port=port, context=context) as connection:
        assert connection.selected_alpn_protocol() == "h2", "httpd does not speak HTTP/2"
        http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        http.initiate_connection()
        fields = {"content-type": soap.CONTENT_TYPE, "content-length": str(len(body)),
                  **(headers or {})}
        http.send_headers(1, [(":method", method), (":scheme", "https"), (":path", path),
                              (":authority", "localhost:%d" % (port or server.port)),
                              *((name.lower(), value) for name, value in fields.items()
                                if value is not None)], end_stream=not body)
        # What fits into the first window; an answer to more would have to come before it is sent.
        if body:
            first = body[:http.local_flow_control_window(1)]
            for at in range(0, len(first), MAX_CHUNK):
                http.send_data(1, first[at:at + MAX_CHUNK])
            if len(first) == len(body):
                http.end_stream(1)
        connection.sendall(http.data_to_send())
        return receive(connection, http, h2.events)


def receive(connection, http, events):
    status, fields, data, ended = None, email.message.Message(), b"", False
    while not ended:
        octets = connection.recv(65536)
        if not octets:
            raise ConnectionError("the connection ended before the answer did")
        for event in http.receive_data(octets):
            if isinstance(event, events.ResponseReceived):
                for name, value in event.headers:
                    if name == ":status":
                        status = int(value)
                    else:
                        fields[name.title()] = value
            elif isinstance(event, events.DataReceived):
                data += event.data
                http.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, (events.StreamEnded, events.StreamReset)):
                ended = True
        connection.sendall(http.data_to_send())
    return soap.Response(status, fields, data)
