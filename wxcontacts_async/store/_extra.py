"""Says what to install if the extra `store` is missing; imported before all that needs it."""

try:
    import adbc_driver_manager
    import pyarrow as pa
except ModuleNotFoundError as error:
    msg = f"{error}; wxcontacts_async.store needs: pip install 'wxcontacts_async[store]'"
    raise ModuleNotFoundError(msg, name=error.name) from None

__all__ = ["adbc_driver_manager", "pa"]
