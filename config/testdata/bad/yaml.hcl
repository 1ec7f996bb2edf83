listen:
  - name: http
    address: ":8080"
