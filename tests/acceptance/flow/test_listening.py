"""A gateway answers wherever and however it was told to listen."""

import json
from pathlib import Path

import httpx

from tests.support.certificates import make_certificate
from tests.support.gateway import GatewayProcess

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
SIMULATED = '[routers.rtr_a]\nmodels = ["simulated/swift"]\n'


def test_two_ports_and_a_unix_socket_of_two_workers(tmp_path: Path) -> None:
    text = f'listen = ["127.0.0.1:0", "localhost:0", "unix:g.sock"]\n{SIMULATED}'
    with GatewayProcess(tmp_path, text, workers=2) as gateway:
        first, second = gateway.output.split("answers on ")[1].split("\n")[0].split(" and ")[:2]
        assert first != second
        headers = {"authorization": f"Bearer {gateway.key}"}
        uds = httpx.HTTPTransport(uds=str(tmp_path / "g.sock"))
        for base_url, transport in ((first, None), (second, None), ("http://localhost", uds)):
            with httpx.Client(transport=transport, base_url=base_url, headers=headers, timeout=60) as http:
                assert http.post("/rtr_a/chat/completions", json=BODY).status_code == 200
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(tmp_path / "g.sock")), base_url="http://localhost"
        ) as who:
            assert who.get("/metrics").status_code == 401, "who comes by a Unix socket comes through a proxy"
        assert gateway.stop() == 0
    assert not (tmp_path / "g.sock").exists()


def test_tls_by_a_certificate_and_its_key(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    text = f'tls_certificate = "cert.pem"\ntls_key = "key.pem"\n{SIMULATED}'
    with GatewayProcess(tmp_path, text, trusted=tmp_path / "cert.pem") as gateway:
        assert gateway.url.startswith("https://127.0.0.1:")
        with gateway.client() as http:
            assert http.post("/rtr_a/chat/completions", json=BODY).status_code == 200
            with http.stream("POST", "/rtr_a/chat/completions", json={**BODY, "stream": True}) as stream:
                assert list(stream.iter_lines())[-2] == "data: [DONE]"


def test_below_a_path_whether_the_proxy_takes_it_off_or_not(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, f'root_path = "/llm"\n{SIMULATED}') as gateway, gateway.client() as http:
        assert gateway.url.endswith("/llm")
        outside = str(http.base_url).removesuffix("/llm/")
        for base in (outside, f"{outside}/llm"):
            assert http.post(f"{base}/rtr_a/chat/completions", json=BODY).status_code == 200
            assert http.post(f"{base}/rtr_a/chat/completions/", json=BODY).status_code == 200
            assert http.get(f"{base}/rtr_a/v1/models").status_code == 200
            assert http.get(f"{base}/readyz").status_code == 200
            page = http.get(f"{base}/docs").text
            assert "/llm/openapi.json" in page
            assert http.get(f"{outside}/llm/docs/assets/swagger-ui.css").status_code == 200
            assert json.loads(http.get(f"{base}/openapi.json").text)["servers"] == [{"url": "/llm"}]
        assert http.get(f"{outside}/llmx/readyz").status_code == 404
