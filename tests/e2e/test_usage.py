"""What a process counted is written down when it stops."""

from tests.e2e.product import Product


def test_a_clean_stop_loses_no_count(product: Product) -> None:
    product.boot()
    demo = product.make_demo()
    web = product.processes[0]
    for _ in range(3):
        assert demo.test.get("/api/v1/account").status_code == 200

    web.ask_to_stop()

    assert web.exit_code(seconds=15) == 0
    assert product.rows("SELECT sum(requests) FROM operations_apiusage WHERE span = 86400") == [
        (3,)
    ]
    assert product.rows("SELECT requests FROM operations_apiaddress") == [(3,)]
